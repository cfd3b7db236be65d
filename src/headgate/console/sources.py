"""A text with its line numbers and, below each line, what was remarked on it.

A short text is shown whole. Of a long one only what stands around the remarks is shown, and how much was left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from headgate.releases.model.findings import Finding, Findings

WHOLE = 1500
"""The most lines that are shown whole."""
AROUND = 5
_LONGEST = 400
"""The most letters of a line that are shown."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a text.

    Attributes:
        number: Counted from 1.
        before: What stands before the first place that was remarked on, or the whole line.
        marked: That place.
        after: What stands behind it.
        findings: What was remarked.
        skipped: How many lines were left out before this one.
    """

    number: int
    before: str
    marked: str
    after: str
    findings: tuple[Finding, ...]
    skipped: int


def shown_lines(source: bytes, findings: Findings) -> list[Line]:
    """Return the lines to show, in order."""
    lines = source.decode("utf-8-sig", "replace").splitlines() or [""]
    by_line: dict[int, list[Finding]] = {}
    for finding in findings:
        if finding.line is not None:
            by_line.setdefault(min(finding.line, len(lines)), []).append(finding)
    found: list[Line] = []
    last = 0
    for number in _numbers(len(lines), sorted(by_line)):
        found.append(_line(number, lines[number - 1], tuple(by_line.get(number, ())), number - last - 1))
        last = number
    return found


def _numbers(length: int, remarked: list[int]) -> Iterator[int]:
    if length <= WHOLE:
        yield from range(1, length + 1)
        return
    shown = {1, *(near for line in remarked for near in range(line - AROUND, line + AROUND + 1))}
    yield from sorted(number for number in shown if 1 <= number <= length)


def _line(number: int, text: str, findings: tuple[Finding, ...], skipped: int) -> Line:
    place = next((finding.place for finding in findings if finding.place is not None), None)
    if place is None or place.line != number:
        return Line(number, _cut(text), "", "", findings, skipped)
    start = min(place.column - 1, len(text))
    end = min(start + place.width, len(text))
    return Line(number, _cut(text[:start]), _cut(text[start:end]), _cut(text[end:]), findings, skipped)


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
