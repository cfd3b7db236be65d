"""Where a release stands, as a tree in a terminal: how far it is open, what each gate says, why not further."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from headgate.kernel.digest import short
from headgate.kernel.units import span_text
from headgate.releases.model.holdback import KIND as HOLDBACK
from headgate.releases.model.release import State

if TYPE_CHECKING:
    from collections.abc import Sequence

    from headgate.releases.decide.status import GateLine, Status

_BAR = 10
_DIGITS = 4
_STYLE = {
    "PASS": "green",
    "INSUFFICIENT": "yellow",
    "STALE": "yellow",
    "ERROR": "bold red",
    "FAIL": "bold red",
    "WAIVED": "bold white on red",
}
_STATE_STYLE = {
    State.LIVE: "bold green",
    State.COMPLETED: "bold green",
    State.CUT: "bold red",
    State.FROZEN: "bold red",
    State.HELD: "bold yellow",
    State.NARROWED: "bold yellow",
}
_THOUSAND, _MILLION, _EXACT = 1_000, 1_000_000, 10_000


def picture(statuses: Sequence[Status]) -> Table:
    """Return every release one under the other, for a console of any width."""
    page = Table.grid()
    page.add_column(overflow="fold")
    for position, status in enumerate(statuses):
        if position:
            page.add_row("")
        for part in _release(status):
            page.add_row(part)
    if not statuses:
        page.add_row(Text("no release yet: headgate plan apply PLAN"))
    return page


def _release(status: Status) -> list[Text | Table]:
    parts: list[Text | Table] = [_head(status)]
    parts += [Text(f"! {line}", style="bold white on red") for line in status.red]
    if status.overdue:
        parts.append(Text(f"! {span_text(status.lasts)} is longer than planned: {status.owner} decides", style="bold red"))
    tree = _tree(status)
    if tree is not None:
        parts.append(tree)
    foot = Text()
    if status.why_not:
        foot.append("why not further?  ", style="bold").append("; ".join(status.why_not))
    if status.next:
        foot.append("        " if status.why_not else "").append("next: ", style="bold").append(status.next)
    if foot.plain:
        parts.append(foot)
    if status.not_shown:
        parts.append(Text("not shown: ", style="dim").append(" · ".join(status.not_shown)))
    return parts


def _head(status: Status) -> Text:
    release = status.release
    head = Text(release.model, style="bold")
    head.append(f"  {short(release.plan.version_digest, _DIGITS)}  ", style="dim")
    head.append(status.where, style=_STATE_STYLE.get(release.state, "bold"))
    head.append(f" for {span_text(status.lasts)}", style="not bold")
    head.append("      exposed: ")
    if status.exposure is None:
        return head.append("cannot be read", style="bold red")
    seen = status.exposure
    counts = ((seen.accounts, "account"), (seen.organisations, "organisation"), (seen.exchanges, "exchange"))
    return head.append(" · ".join(f"{_count(count)} {one}{'' if count == 1 else 's'}" for count, one in counts))


_WIRES = {True: ("TRIPPED", "bold red"), None: ("ERROR", "bold red"), False: ("WATCH", "yellow")}


def _tree(status: Status) -> Table | None:
    rows = [_gate(line, status) for line in status.gates]
    for wire in status.wires:
        compares = wire.tripped is False and wire.wire_id == HOLDBACK
        shown = Text("COMPARES", "dim") if compares else Text(*_WIRES[wire.tripped])
        rows.append((Text(f"{wire.wire_id} {wire.stage}".strip()), shown, Text(wire.sentence)))
    if not rows:
        return None
    tree = Table.grid(padding=(0, 2, 0, 0))
    for _ in range(3):
        tree.add_column(overflow="fold")
    for position, (name, shown, said) in enumerate(rows):
        twig = "└─ " if position == len(rows) - 1 else "├─ "
        tree.add_row(Text(twig, style="dim").append_text(name), shown, said)
    return tree


def _gate(line: GateLine, status: Status) -> tuple[Text, Text, Text]:
    said = Text(_counts(line))
    upper, limit = line.numbers.get("upper"), line.numbers.get("limit")
    if isinstance(upper, int | float):
        said.append(f"   ≤ {_percent(upper)}")
    if isinstance(limit, int | float):
        said.append(f"  limit {_percent(limit)}")
    if line.progress is not None:
        full = int(line.progress * _BAR)
        said.append("  " + "█" * full + "░" * (_BAR - full), style="cyan")
    need = line.need
    if need is not None and need.labels:
        said.append(f"  +{need.labels:,} labels")
        if need.expected_at is not None:
            days = max(0.0, (need.expected_at - status.at).total_seconds() / 86400)
            said.append(f" ≈ {days:.1f} d")
    more = line.numbers.get("users_to_go")
    if need is not None and isinstance(more, int):
        said.append(f"  +{more:,} users")
    if line.waived is not None:
        said.append(f"  waived by {line.waived}", style="red")
    return Text(line.gate_id.removeprefix("rate.")), Text(line.shown, style=_STYLE.get(line.shown, "")), said


def _counts(line: GateLine) -> str:
    harms, of = line.numbers.get("k"), line.numbers.get("n")
    if line.kind == "rate" and isinstance(harms, int | float) and isinstance(of, int | float):
        return f"{harms:,.0f} in {of:,.0f} {'users' if line.numbers.get('unit') == 'user' else 'labels'}"
    return line.sentence


def _percent(share: float) -> str:
    return f"{share * 100:.2g} %" if share < 1e-4 else f"{share * 100:.2f} %"  # noqa: PLR2004 - a hundredth of a per cent


def _count(count: int) -> str:
    if count < _EXACT:
        return f"{count:,}"
    return f"{count / _MILLION:.1f}M" if count >= _MILLION else f"{count // _THOUSAND}k"
