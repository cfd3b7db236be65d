"""Findings and changes for a terminal: the line itself, a caret below the place, and what would mend it."""

from __future__ import annotations

import unicodedata
from collections import Counter
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.text import Text

from headgate.releases.decide.diff import Effect
from headgate.releases.model.findings import Level, path_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from headgate.kernel.digest import Json
    from headgate.releases.decide.diff import Change
    from headgate.releases.model.findings import Finding, Findings, Place

LONGEST = 110
"""Columns of a source line that are shown; longer lines are cut around the place."""
_STYLES = {Level.ERROR: "bold red", Level.WARNING: "bold yellow", Level.NOTE: "bold cyan"}
_SIGNS = {Effect.WIDENING: ("+", "yellow"), Effect.NARROWING: ("-", "green"), Effect.NEUTRAL: ("~", "dim")}


def render_findings(findings: Findings, source: bytes) -> Iterator[Text]:
    """Yield the findings as lines of text, a blank line after each."""
    lines = source.decode("utf-8-sig", "replace").splitlines()
    for finding in findings:
        yield from _finding(findings.name, finding, lines)


def tally(findings: Findings) -> Text:
    """Return one line that counts the findings: ``starter.yaml: 2 errors, 1 warning``."""
    counts = Counter(finding.severity for finding in findings)
    said = [f"{counts[level]} {level.value}{'s' if counts[level] > 1 else ''}" for level in Level if counts[level]]
    worst = next((level for level in Level if counts[level]), None)
    return Text.assemble(
        f"{printable(findings.name)}: ", (", ".join(said) or "no findings", "green" if worst is None else _STYLES[worst])
    )


def finding_json(finding: Finding) -> dict[str, Json]:
    """Return a finding for machines."""
    return {
        "code": finding.code,
        "severity": finding.severity.value,
        "path": path_text(finding.path),
        "line": finding.line,
        "column": finding.column,
        "message": finding.message,
        "fix": finding.fix,
    }


def change_json(change: Change) -> dict[str, Json]:
    """Return a change for machines."""
    return {
        "path": path_text(change.path),
        "stage": change.stage,
        "effect": change.effect.value,
        "axis": change.axis.value,
        "sentence": change.sentence,
    }


def render_changes(changes: Sequence[Change]) -> Iterator[Text]:
    """Yield the changes, the plan's own first, then stage by stage: what opens, what shuts, what does neither."""
    for stage in dict.fromkeys(change.stage for change in changes):
        yield Text("the plan as a whole" if stage is None else f"stage {stage}", style="bold")
        for change in (change for change in changes if change.stage == stage):
            sign, style = _SIGNS[change.effect]
            yield Text.assemble("  ", (f"{sign} {change.effect.value:<9}", style), "  ", printable(change.sentence))
    counts = Counter(change.effect for change in changes)
    yield Text()
    yield Text(", ".join(f"{counts[effect]} {effect.value}" for effect in Effect) if changes else "The two plans say the same.")


def printable(text: str) -> str:
    """Return a text that cannot move the cursor, colour the screen or hide what it says."""
    return "".join("\N{REPLACEMENT CHARACTER}" if unicodedata.category(one).startswith("C") else one for one in text)


def _finding(name: str, finding: Finding, lines: Sequence[str]) -> Iterator[Text]:
    style = _STYLES[finding.severity]
    yield Text.assemble((f"{finding.severity.value}[{finding.code}]", style), (f": {printable(finding.message)}", "bold"))
    place = finding.place
    gutter = 1
    if place is not None:
        gutter = len(str(place.line))
        yield Text.assemble((" " * gutter + "--> ", "blue"), f"{printable(name)}:{place.line}:{place.column}")
        if place.line <= len(lines):
            shown, before, width = _around(lines[place.line - 1], place)
            yield Text(" " * gutter + " |", style="blue")
            yield Text.assemble((f"{place.line} | ", "blue"), shown)
            yield Text.assemble((" " * gutter + " | ", "blue"), " " * before, ("^" * width, style))
    yield Text.assemble((" " * gutter + " = ", "blue"), ("fix: ", "bold"), printable(finding.fix))
    yield Text()


def _around(line: str, place: Place) -> tuple[str, int, int]:
    """Return the part of a line around a place, the cells before the caret, and the carets' width in cells."""
    line = printable(line.replace("\t", " "))
    at = min(place.column - 1, len(line))
    start = 0 if at < LONGEST * 2 // 3 else at - LONGEST // 2
    shown = line[start : start + LONGEST]
    head = "…" if start else ""
    tail = "…" if start + LONGEST < len(line) else ""
    marked = shown[at - start : at - start + place.width]
    return head + shown + tail, cell_len(head + shown[: at - start]), max(cell_len(marked), 1)
