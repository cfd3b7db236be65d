"""The page of a release over a house of its own: what it says, what it offers to whom, its commands, charts and report."""

from __future__ import annotations

import html
import io
import json
import re
import shutil
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import altair as alt
import pytest
from pypdf import PdfReader
from typer.testing import CliRunner

from headgate.bootstrap.faces import console_tables, desks_of
from headgate.bootstrap.home import Home
from headgate.bootstrap.reporting import reporting_of
from headgate.bootstrap.settings import load
from headgate.bootstrap.wiring import House, open_house
from headgate.console.visit import Deed
from headgate.evidence.service.courses import RATE_STEPS
from headgate.kernel.actor import Role
from headgate.releases.model.release import Kind, State
from headgate.reports.cli import Session, commands
from headgate.stats import gate
from headgate.stats.spending import attempt_alpha
from headgate.testing.clock import FixedClock
from headgate.testing.console import console_of, first_of
from headgate.testing.homes import empty_home
from headgate.testing.releases import AUTHOR, a_plan, a_stage
from headgate.testing.safety import HAZARDS, NOON, SafetyWorld

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from starlette.applications import Starlette

    from headgate.kernel.actor import Actor
    from headgate.kernel.ids import ReleaseId
    from headgate.releases.model.release import Release

PAYLOAD = '<script>alert(1)</script><img src=x onerror="alert(2)">'
HAZARD = HAZARDS[0]
RATE: dict[str, Any] = {"kind": "rate", "hazard": HAZARD, "below": 0.2, "alpha": 0.05}
DISCOVERY: dict[str, Any] = {"kind": "discovery", "tolerated_new_kinds_next_stage": 10, "alpha": 0.05}
SIGNED: dict[str, Any] = {"kind": "approval", "roles": ["safety_lead", "release_manager"]}
DAYS, A_DAY = 8, 12
HARMS = {"ex_0000015", "ex_0000053"}


@dataclass(frozen=True, slots=True)
class Week:
    """A release at its first stage, whose rate passes after a week of labels, two of them harms.

    Attributes:
        root: The installation in which it lies; each test has a copy of its own.
        release: Its identifier.
        over: When the week is over.
    """

    root: Path
    release: ReleaseId
    over: datetime


@pytest.fixture(scope="module")
def week(tmp_path_factory: pytest.TempPathFactory) -> Week:
    clock, home = FixedClock(NOON), empty_home(tmp_path_factory.mktemp("release") / "data")
    stages = [
        a_stage("staff", 40, leave=[RATE, DISCOVERY, SIGNED], stop=[]),
        a_stage("trusted", 400, leave=[SIGNED], stop=[]),
        a_stage("everyone", 4000, leave=[SIGNED], stop=[]),
    ]
    hazards = {hazard: {"severity": "high", "limit": {"traffic": 0.2}} for hazard in HAZARDS}
    with closing(open_house(home, load(home.root, {}), clock=clock)) as house:
        applied, _ = house.releases.apply(a_plan(hazards=hazards, stages=stages), by=AUTHOR)
        world = SafetyWorld(house.engine)
        for _ in range(DAYS):
            world.now = clock.now()
            world.log.add(A_DAY, epoch=applied.epoch("staff"))
            world.collect()
            world.read_all(*HARMS, hazard=HAZARD)
            clock.advance(timedelta(days=1))
        world.now = clock.now()
        world.collect()
    return Week(home.root, applied.id, clock.now())


@pytest.fixture
def clock(week: Week) -> FixedClock:
    return FixedClock(week.over)


@pytest.fixture
def house(week: Week, clock: FixedClock, tmp_path: Path) -> Iterator[House]:
    home = Home(Path(shutil.copytree(week.root, tmp_path / "data")))
    with closing(open_house(home, load(home.root, {}), clock=clock)) as opened:
        yield opened


@pytest.fixture
def application(house: House) -> Starlette:
    return console_of(house)


@pytest.fixture
def first(house: House) -> Actor:
    return first_of(house)


@pytest.fixture
def release(week: Week, house: House) -> Release:
    return house.releases.get(week.release, by=AUTHOR)


@pytest.fixture
def held(release: Release, house: House, first: Actor) -> Release:
    house.releases.hold(release.id, reason="to be looked at", by=first)
    return house.releases.get(release.id, by=first)


def at(release: Release, path: str = "") -> str:
    return f"/releases/{release.id}{path}"


def specs(page: str) -> list[dict[str, Any]]:
    """Return the charts of a page, as the browser's module finds them."""
    return [json.loads(html.unescape(found)) for found in re.findall(r"data-spec='([^']+)'", page)]


# What the page says.


async def test_the_page_says_how_far_what_blocks_and_who_can_change_that(root: Any, release: Release) -> None:
    page = await root.see(at(release))
    for said in ("LIVE at staff (1/3)", "Why not further?", "Not shown", "people who behave well".capitalize(), "Tripwires"):
        assert said in page
    assert "180 more users who show nothing new" in page
    assert re.search(r'data-standing="here" aria-current="step".*?<strong>staff</strong>', page, re.DOTALL)
    assert re.search(r'data-standing="next".*?<strong>trusted</strong>', page, re.DOTALL)
    assert re.search(r'id="gate-rate-cyber-misuse".*?data-verdict="PASS"', page, re.DOTALL)


async def test_every_chart_is_a_valid_specification_and_stands_beside_its_table(root: Any, release: Release) -> None:
    page = await root.see(at(release))
    found = specs(page)
    assert len(found) == 2
    for spec in found:
        alt.LayerChart.from_dict(spec)
    assert len(found[0]["data"]["values"]) == 48
    assert "After 96 labels the bound is 8.9 %, below the limit of 20 %." in page
    assert page.count("Show the numbers") == 3


def test_each_step_of_a_course_is_the_engines_own_bound_and_the_last_is_the_gates(
    house: House, release: Release, first: Actor
) -> None:
    picture = house.picturing.picture(release.id, by=first)
    steps = picture.courses["rate.cyber_misuse"].steps
    assert len(steps) <= RATE_STEPS
    assert [step.seen for step in steps] == [*range(2, 97, 2)]
    for step in steps:
        certain = [1.0] * step.harms
        bound = gate.upper_bound_weighted([step.seen], [1.0], certain, certain, attempt_alpha(0.05, 1))
        assert step.bound == pytest.approx(bound)
    line = next(line for line in picture.status.gates if line.gate_id == "rate.cyber_misuse")
    assert (steps[-1].bound, steps[-1].seen, steps[-1].harms) == (line.numbers["upper"], line.numbers["n"], line.numbers["k"])
    assert [step.at for step in steps] == sorted(step.at for step in steps if step.at)


async def test_names_and_reasons_are_text(root: Any, release: Release) -> None:
    await root.do(at(release, "/hold"), reason=PAYLOAD)
    for path in (at(release), "/"):
        page = await root.see(path)
        assert "<script>alert" not in page
        assert "<img src=x" not in page
    assert html.escape(PAYLOAD, quote=False) in html.unescape(await root.see(at(release))).replace(
        PAYLOAD, html.escape(PAYLOAD, quote=False)
    )
    await root.do(at(release, "/sign"), purpose="resume", seen=await seen(root, release), reason="")
    assert "waits for" in await root.see(at(release))


async def waive_discovery(*who: Any, release: Release) -> None:
    for desk in who:
        await desk.do(at(release, "/waive"), gate="discovery", days="3", reason="staff only")


async def promote(lead: Any, manager: Any, release: Release) -> None:
    """Open the second stage, with a waiver for what a week does not show."""
    await waive_discovery(lead, manager, release=release)
    for who in (lead, manager):
        await who.do(at(release, "/sign"), purpose="promote", seen=await seen(who, release), reason="")
    await manager.do(at(release, "/promote"))


async def seen(desk: Any, release: Release) -> str:
    """Return the digest of the evidence that the page for signing shows."""
    found = re.search(r'name="seen" value="([^"]+)"', await desk.see(at(release, "/sign")))
    assert found is not None
    return found[1]


# Who may what.


async def test_whoever_may_only_look_is_offered_nothing_and_told_who_may(seat: Callable[..., Any], release: Release) -> None:
    auditor = seat(Role.AUDITOR)
    page = await auditor.see(at(release))
    assert not re.findall(rf'href="/console/releases/{release.id}/(cut|hold|narrow|sign|resume|waive|promote|withdraw)"', page)
    assert re.search(r"Withdraw for good: release manager\s+may", page)


async def test_every_command_refuses_whoever_may_not(seat: Callable[..., Any], house: House, release: Release) -> None:
    auditor = seat(Role.AUDITOR)
    deeds = [
        row for table in console_tables(desks_of(house)) for row in table if isinstance(row, Deed) and "{release}" in row.path
    ]
    assert len(deeds) == 12
    before = house.ledger.head()
    for deed in deeds:
        path = deed.path.replace("{release}", release.id)
        await auditor.do(path, expect=403, reason="because")
        await auditor.see(path, expect=403)
    assert house.ledger.head() == before


async def test_every_page_of_a_command_says_what_it_does_before_it_does_it(root: Any, house: House, held: Release) -> None:
    before = house.ledger.head()
    for verb in (
        "cut",
        "hold",
        "narrow",
        "withdraw",
        "sign",
        "promote",
        "complete",
        "resume",
        "open",
        "schedule",
        "waive",
        "declare-risk",
    ):
        page = await root.see(at(held, f"/{verb}"))
        assert "What it does" in page
    assert house.ledger.head() == before


async def test_no_release_and_no_decision_of_another_are_not_found(
    root: Any, house: House, release: Release, first: Actor
) -> None:
    await root.see("/releases/rel_nothing", expect=404)
    decision = house.releases.decisions(by=first, release_id=release.id)[0]
    await root.see(f"/releases/rel_nothing/decisions/{decision.id}", expect=404)
    await root.see(at(release, "/decisions/dec_nothing"), expect=404)


# What is done.


async def test_without_a_reason_nothing_is_stopped_and_the_page_says_so(root: Any, house: House, release: Release) -> None:
    before = house.ledger.head()
    page = (await root.do(at(release, "/cut"), expect=409, reason="  ")).text
    assert "Nothing was changed." in page
    assert "A decision needs a reason." in page
    assert house.ledger.head() == before


async def test_a_signature_is_for_the_evidence_that_was_shown(root: Any, held: Release) -> None:
    page = (await root.do(at(held, "/sign"), expect=409, purpose="resume", seen="sha256:" + "0" * 64, reason="")).text
    assert "looked at other evidence" in page
    assert await seen(root, held)


async def test_a_held_release_goes_on_when_two_have_signed(
    root: Any, seat: Callable[..., Any], house: House, held: Release
) -> None:
    lead = seat(Role.SAFETY_LEAD)
    assert "waits for" in await root.see(at(held, "/resume"))
    await lead.do(at(held, "/sign"), purpose="resume", seen=await seen(lead, held), reason="I have read all 96")
    assert "I have read all 96" in await root.see(at(held, "/resume"))
    manager = seat(Role.RELEASE_MANAGER)
    await manager.do(at(held, "/sign"), purpose="resume", seen=await seen(manager, held), reason="")
    await manager.do(at(held, "/resume"), reason="two have signed")
    assert house.releases.get(held.id, by=root.actor).state is State.LIVE


async def test_a_waiver_takes_two_people_and_is_red_for_everybody(root: Any, seat: Callable[..., Any], release: Release) -> None:
    lead, manager = seat(Role.SAFETY_LEAD), seat(Role.RELEASE_MANAGER)
    asked = {"gate": "discovery", "days": "3", "reason": "staff only"}
    await lead.do(at(release, "/waive"), **asked)
    assert "waits for a second person" in await root.see(at(release))
    assert "Waiting for a second person: discovery" in await manager.see(at(release, "/waive"))
    refused = await lead.do(at(release, "/waive"), expect=409, **asked)
    assert "takes a second person" in refused.text
    await manager.do(at(release, "/waive"), **asked)
    page = await seat(Role.AUDITOR).see(at(release))
    assert re.search(r'data-kind="bad" role="alert"><strong>Bypassed:</strong> discovery WAIVED', page)
    assert "Bypassed:" in await root.see("/")
    for days in ("", "-1", "x", "99999", "31"):
        await lead.do(at(release, "/waive"), expect=409, gate="discovery", days=days, reason="longer")


async def test_two_people_promote_what_passes_and_the_page_of_narrowing_says_who_loses(
    seat: Callable[..., Any], house: House, release: Release, root: Any
) -> None:
    lead, manager = seat(Role.SAFETY_LEAD), seat(Role.RELEASE_MANAGER)
    await waive_discovery(lead, manager, release=release)
    early = await manager.do(at(release, "/promote"), expect=409)
    assert "stays at staff" in early.text
    for who in (lead, manager):
        await who.do(at(release, "/sign"), purpose="promote", seen=await seen(who, release), reason="")
    page = await manager.see(at(release, "/promote"))
    assert "Opens trusted to trusted: 400 seats." in page
    assert "2 of 2 signed" in page
    await manager.do(at(release, "/promote"))
    assert house.releases.get(release.id, by=root.actor).stage == 2
    narrow = await root.see(at(release, "/narrow"))
    assert "Closes trusted." in narrow
    assert "trusted (400 seats) lose access." in narrow
    await root.do(at(release, "/narrow"), to="staff", reason="back")
    assert house.releases.get(release.id, by=root.actor).state is State.NARROWED


async def test_a_decision_is_made_again_and_again_without_each_piece(
    root: Any, seat: Callable[..., Any], house: House, release: Release, first: Actor
) -> None:
    await promote(seat(Role.SAFETY_LEAD), seat(Role.RELEASE_MANAGER), release)
    house.releases.hold(release.id, reason="to be looked at", by=first)
    made = house.releases.decisions(by=first, release_id=release.id)
    promoted = next(each for each in made if each.kind is Kind.PROMOTE)
    page = await root.see(at(release, f"/decisions/{promoted.id}"))
    assert "the stored evidence gives the same decision" in page
    without = await root.see(at(release, f"/decisions/{promoted.id}?without="))
    assert "it would be refused" in without
    assert "rate.cyber_misuse: PASS → INSUFFICIENT" in without
    await root.see(at(release, f"/decisions/{promoted.id}?without=nonsense"), expect=404)
    hold = next(each for each in made if each.kind is Kind.HOLD)
    assert "needs no proof" in await root.see(at(release, f"/decisions/{hold.id}"))


async def test_a_cut_closes_everything_and_opening_again_is_asked_for_by_stage(
    root: Any, seat: Callable[..., Any], house: House, release: Release
) -> None:
    await promote(seat(Role.SAFETY_LEAD), seat(Role.RELEASE_MANAGER), release)
    await root.do(at(release, "/narrow"), to="staff", reason="back")
    page = await root.see(at(release, "/cut"))
    assert "Closes staff." in page
    assert "Open streams end at once." in page
    answer = await root.do(at(release, "/cut"), reason="somebody got hurt")
    assert answer.headers["location"].endswith(release.id)
    assert house.releases.get(release.id, by=root.actor).state is State.CUT
    page = await root.see(at(release))
    assert "Cut access now" not in page
    assert "CUT" in page
    resume = await root.see(at(release, "/sign?to=trusted"))
    assert '<option value="trusted" selected>' in resume
    assert "first these must pass" in resume


# The report.


def read(paper: bytes) -> list[str]:
    """Return the text of each page of a PDF, with single blanks, as another program reads it."""
    return [" ".join(page.extract_text().split()) for page in PdfReader(io.BytesIO(paper)).pages]


def test_the_first_page_of_the_paper_holds_what_is_signed_and_the_others_the_detail(
    house: House, release: Release, first: Actor
) -> None:
    report = reporting_of(house).gate(release.id, by=first)
    page, *others = read(reporting_of(house).gate_pdf(release.id, by=first))
    assert others, "one page, then detail"
    detail = " ".join(others)
    status = report.picture.status
    for part in (
        "Gate report: atlas-2",
        status.where,
        f"ledger entry {report.head.size}",
        "asked for by Root",
        "Why not further?",
        "Not shown",
        "Signatures",
        report.exposure,
        release.plan.version_digest[:40],
        report.head.root.hex()[:40],
        *(card.name for card in report.cards),
        *(card.line.shown for card in report.cards),
        *status.not_shown,
    ):
        assert in_words(part) in in_words(page), part
    assert "In detail" in others[0]
    assert "In detail" not in page
    for part in ("Tripwires", "Decisions", *(decision.id for decision in report.picture.decisions)):
        assert in_words(part) in in_words(detail), part
    assert "hello" not in page + detail, "what somebody asked a model stays with traffic and safety"


def in_words(text: str) -> str:
    """Return a text without blanks, hyphens and the paper's quotation marks, which depend on where its lines break."""
    return re.sub(r"[\s\u00ad\u2010-]+", "", text.translate({0x2019: "'", 0x201C: '"', 0x201D: '"'}))


def test_the_report_is_the_same_until_something_is_recorded_and_holds_no_content(
    house: House, release: Release, first: Actor, clock: FixedClock
) -> None:
    house.releases.cut(release.id, reason="somebody got hurt", by=first)
    reporting = reporting_of(house)
    page, paper = reporting.gate_html(release.id, by=first), reporting.gate_pdf(release.id, by=first)
    clock.advance(timedelta(minutes=5))
    assert reporting.gate_html(release.id, by=first) == page
    assert reporting.gate_pdf(release.id, by=first) == paper
    head = house.ledger.head()
    said = page.decode()
    for part in (
        head.root.hex(),
        f"entry {head.size}",
        release.plan.version_digest,
        "Not shown",
        "somebody got hurt",
        "Asked for by Root",
    ):
        assert part in said
    assert "<script" not in said
    assert "http" not in re.sub(r'xmlns(:\w+)?="[^"]+"', "", said), "it needs nothing from anywhere"
    assert paper.startswith(b"%PDF-1.")
    assert paper.rstrip().endswith(b"%%EOF")
    assert "hello" not in said, "what somebody asked a model stays with traffic and safety"
    house.releases.withdraw(release.id, reason="another", by=first)
    assert reporting.gate_html(release.id, by=first) != page


def test_the_command_line_writes_both_files_and_names_the_release_by_its_model(
    house: House, release: Release, first: Actor, tmp_path: Path
) -> None:
    house.releases.withdraw(release.id, reason="another", by=first)  # which has no charts, that take seconds to draw
    app = commands(lambda: Session(reporting_of(house), house.releases, first))
    page, paper = tmp_path / "report.html", tmp_path / "report.pdf"
    done = CliRunner().invoke(app, ["gate", release.model, "--html", str(page), "--pdf", str(paper)])
    assert done.exit_code == 0, done.output
    assert page.read_bytes() == reporting_of(house).gate_html(release.id, by=first)
    assert paper.read_bytes().startswith(b"%PDF-")
    assert CliRunner().invoke(app, ["gate", release.model]).stdout == page.read_text()
    assert CliRunner().invoke(app, ["gate", release.model, "--pdf", str(tmp_path / "no" / "where.pdf")]).exit_code == 2


async def test_the_report_is_handed_over_as_a_file(root: Any, release: Release) -> None:
    for ending, kind in (("html", "text/html"), ("pdf", "application/pdf")):
        answer = await root.http.get(f"/console/releases/{release.id}/gate-report.{ending}")
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith(kind)
        assert f"gate-report-atlas-2.{ending}" in answer.headers["content-disposition"]


async def test_a_release_that_has_ended_stands_apart(root: Any, house: House, release: Release, first: Actor) -> None:
    house.releases.withdraw(release.id, reason="another", by=first)
    page = await root.see("/")
    assert re.search(r"Ended</h2>.*atlas-2", page, re.DOTALL)
    shown = await root.see(at(release))
    assert "the release has ended" in shown
    assert f"{release.id}/cut" not in shown
