"""Evidence in the browser: handed in after a look at what was understood, refused with a reason, and superseded by two people."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from browser.kit import Reader, looked_at, origin, reader, sign_in

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Page

    from functional.kit import Running

SUITE = "dual_use"


@pytest.fixture
def two(browser: Browser, headgate: Running) -> Iterator[tuple[Reader, Reader]]:
    """Two people who may judge evidence."""
    seated: list[Reader] = []
    for name in ("Lin", "Mo"):
        member = headgate.admin("POST", "/api/staff", {"name": name, "roles": ["safety_lead"]})
        seated.append(sign_in(reader(browser, origin(headgate)), headgate, member["id"]))
    yield seated[0], seated[1]
    for each in seated:
        each.context.close()


def counts(folder: Path, name: str, k: int, n: int) -> Path:
    file = folder / name
    file.write_text(f"task,metric,unit,cluster,k,n\nintrusion,accuracy,item,,{k},{n}\n", "utf-8")
    return file


def fill(page: Page, file: Path, measured: str) -> None:
    page.get_by_label("File").set_input_files(file)
    page.get_by_label("Suite").fill(SUITE)
    page.get_by_label("Which way is safer").select_option("lower")
    page.get_by_label("Measured on").fill(measured)
    page.get_by_label("Evaluator").fill("an institute")
    page.get_by_role("button", name="Show what is understood").click()


def file_it(page: Page) -> str:
    page.get_by_role("button", name="File it, for good").click()
    page.get_by_text("Filed: one record.").wait_for()
    return page.url.rpartition("/")[2]


def test_counts_are_looked_at_filed_and_superseded_by_somebody_else(two: tuple[Reader, Reader], tmp_path: Path) -> None:
    lin, mo = two
    page = lin.open("/console/evidence/new")
    looked_at(lin, "evidence-new")
    fill(page, counts(tmp_path, "first.csv", 9, 60), "2026-01-10")
    page.get_by_role("heading", name="What was understood").wait_for()
    assert page.get_by_text("9 of 60").first.is_visible()
    looked_at(lin, "evidence-understood")
    old = file_it(page)
    looked_at(lin, "evidence-record")
    page.goto(f"{lin.at}/console/evidence/new")
    fill(page, counts(tmp_path, "second.csv", 2, 80), "2026-02-10")
    new = file_it(page)
    page.goto(f"{lin.at}/console/evidence/{old}/supersede")
    looked_at(lin, "evidence-supersede")
    for who, done in ((lin, False), (mo, True)):
        page = who.open(f"/console/evidence/{old}/supersede")
        page.get_by_label("Which later record takes its place").select_option(new)
        page.get_by_label("Why").fill("measured again with more items")
        page.get_by_role("button", name="Supersede").click()
        if not done:
            assert page.get_by_text("Ask somebody else who may judge evidence.").is_visible()
            who.complaints.clear()  # the browser tells of the refusal's status
    assert page.get_by_text("Its place was taken.").is_visible()
    page.goto(f"{mo.at}/console/evidence?standing=superseded")
    assert page.get_by_role("link", name=old).is_visible()
    looked_at(mo, "evidence")


def test_a_file_that_is_no_evidence_is_refused_and_the_form_stays(two: tuple[Reader, Reader], tmp_path: Path) -> None:
    lin, _ = two
    page = lin.open("/console/evidence/new")
    strange = tmp_path / "strange.bin"
    strange.write_bytes(b"<script>alert(1)</script>")
    fill(page, strange, "2026-01-10")
    page.get_by_text("Nobody here reads this format.").wait_for()
    assert page.get_by_label("Suite").input_value() == SUITE
    assert page.get_by_role("button", name="File it, for good").count() == 0
    for path in ("calibration", "comparing?new=3&old=1"):
        lin.complaints.clear()
        page.goto(f"{lin.at}/console/evidence/{path}")
        looked_at(lin, f"evidence-{path.partition('?')[0]}")
