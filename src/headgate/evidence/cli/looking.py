"""``headgate evidence list``, ``show`` and ``export``."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from headgate.evidence.cli.session import AsJson, RecordId, out, plain, print_json, talk
from headgate.evidence.model.record import Kind
from headgate.evidence.ports import Wanted
from headgate.evidence.wire.spelled import filed_json, standing
from headgate.kernel.digest import short

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from headgate.evidence.cli.session import Session
    from headgate.evidence.model.filing import Filed

Release = Annotated[str | None, typer.Option(help="Only what was filed for this release, or this model.")]
OfSuite = Annotated[str | None, typer.Option("--suite", help="Only of this suite.")]
OfKind = Annotated[Kind | None, typer.Option("--kind", help="Only of this kind.")]


@dataclass(frozen=True, slots=True)
class LookVerbs:
    """The verbs that change nothing."""

    open_session: Callable[[], Session]

    def list_(
        self,
        *,
        release: Release = None,
        suite: OfSuite = None,
        kind: OfKind = None,
        everything: Annotated[bool, typer.Option("--all", help="Also what a later record took the place of.")] = False,
        as_json: AsJson = False,
    ) -> None:
        """List filed evidence, the last filed first."""
        session = self.open_session()
        now = session.clock.now()
        for filed in session.filing.list(Wanted(release, suite, kind, in_force=not everything), by=session.by):
            if as_json:
                print_json(filed_json(filed, now=now))
            else:
                typer.echo(line(filed, now=now))

    def show(self, record: RecordId, *, as_json: AsJson = False) -> None:
        """Show a record with everything that was done to it."""
        session = self.open_session()
        now = session.clock.now()
        filed = session.filing.get(record, by=session.by)
        if as_json:
            print_json(filed_json(filed, now=now))
            return
        for said in _lines(filed, now=now):
            out().print(said)

    def export(
        self,
        *,
        release: Release = None,
        suite: OfSuite = None,
        kind: OfKind = None,
    ) -> None:
        """Print filed results as Every Eval Ever documents (0.3.0), one on each line; what holds no number is left out."""
        session = self.open_session()
        for filed in session.filing.list(Wanted(release, suite, kind, in_force=True), by=session.by):
            document = session.filing.exported(filed)
            if document is None:
                talk(f"left out {filed.id}: it holds no number")
            else:
                print_json(json.loads(document))


def line(filed: Filed, *, now: datetime) -> str:
    """Return a record on one line."""
    finding = filed.record.finding
    if filed.statement is not None:
        opinion = f"{filed.statement.opinion.value}: " if filed.statement.opinion is not None else ""
        seen = opinion + filed.statement.title
    elif finding.counts is None:
        seen = "unquantified"
    else:
        seen = f"{finding.metric} {finding.counts.k:,}/{finding.counts.n:,}"
    what = f"{finding.kind.value}  {plain(finding.suite)}  {plain(seen)}"
    return f"{filed.id}  {standing(filed, now=now):<11}  {what}  until {finding.expires_at:%Y-%m-%d}"


def _lines(filed: Filed, *, now: datetime) -> Iterator[str]:
    finding = filed.record.finding
    yield line(filed, now=now)
    yield f"  version      {short(finding.subject.model_version, 16)}  filed for {filed.release_id}"
    if finding.counts is not None and finding.interval is not None:
        counts, interval = finding.counts, finding.interval
        way = "lower" if finding.direction.value == "lower" else "higher"
        yield (
            f"  counts       {counts.k:,} of {counts.n:,} ({counts.unit}, {counts.clusters:,} clusters); {way} is safer; "
            f"{interval.confidence:.0%} interval {interval.low:.4g} to {interval.high:.4g} ({interval.method.value})"
        )
    if finding.reported is not None:
        yield f"  reported     {finding.reported:.6g} by the source; nothing is concluded from it"
    how = finding.elicitation
    tried = plain(", ".join((how.effort.value, *how.steps)))
    yield f"  elicitation  {tried}; tries an item: {how.attempts} {plain(how.note)}".rstrip()
    by = finding.evaluator
    yield f"  evaluator    {plain(by.name)} ({by.relationship.value}, access {by.access.value})"
    yield f"  measured     {finding.produced_at:%Y-%m-%d %H:%M} UTC, counts until {finding.expires_at:%Y-%m-%d %H:%M} UTC"
    source = finding.source
    yield f"  source       {source.format.value} {source.sha256}, part {plain(source.part)}"
    for caveat in finding.caveats:
        yield f"  caveat       {caveat.code}: {plain(caveat.says)}"
    if filed.goalposts is not None:
        posts = ", ".join(f"{scenario} {limit:g}" for scenario, limit in filed.goalposts.thresholds.items())
        asked = filed.goalposts.forecast
        worst = "" if asked is None else f", forecast {asked.tolerated:g} of the worst of {asked.queries:,} queries"
        yield f"  goalposts    {posts}, margin {filed.goalposts.margin:g}{worst}, when it was filed"
    yield from _done(filed)


def _done(filed: Filed) -> Iterator[str]:
    yield f"  filed        {filed.record.recorded_at:%Y-%m-%d %H:%M} UTC by {filed.record.recorded_by}"
    if (final := filed.finalised) is not None:
        yield f"  finalised    {final.at:%Y-%m-%d %H:%M} UTC by {final.by}: {plain(final.because)}"
    for carry in filed.carried:
        agreed = f"agreed by {carry.approved_by}" if carry.approved_by else "not agreed yet"
        yield f"  carried      to {short(carry.version, 16)}, asked by {carry.asked_by}, {agreed}: {plain(carry.because)}"
    if (done := filed.disposed) is not None:
        yield f"  disposed     {done.how.value} by {done.by}: {plain(done.because)}"
    if (later := filed.superseded) is not None:
        yield f"  superseded   by {later.successor}, decided by {later.by}: {plain(later.because)}"
