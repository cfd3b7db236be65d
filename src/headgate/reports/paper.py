"""A report on paper: the values go to Typst as data, never as its language, so that no name or reason can be taken for markup.

Fonts are those that Typst brings along, and the date is the ledger's: the same report is the same bytes on every machine.
"""

from __future__ import annotations

import json
from importlib import resources
from typing import TYPE_CHECKING, Any

import typst

from headgate.look.charts import tokens
from headgate.look.writing import words

if TYPE_CHECKING:
    from headgate.reports.gate import GateReport

_TEMPLATE = "gate.typ"
_INK = ("--ink", "--ink-soft", "--line", "--line-strong", "--sunken", "--surface", "--water", "--water-pale", "--brass")
_MEANING = ("--good", "--good-pale", "--wait", "--wait-pale", "--bad", "--bad-pale", "--calm", "--calm-pale")


def on_paper(report: GateReport) -> bytes:
    """Return a gate report as a PDF."""
    template = (resources.files("headgate.reports") / "templates" / "reports" / _TEMPLATE).read_bytes()
    return typst.compile(
        template,
        format="pdf",
        ignore_system_fonts=True,
        sys_inputs={"report": json.dumps(_values(report), ensure_ascii=False)},
        timestamp=int(report.at.timestamp()),
    )


def _values(report: GateReport) -> dict[str, Any]:
    status, release = report.picture.status, report.picture.release
    colours = tokens()
    return {
        "colours": {name.removeprefix("--"): colours[name] for name in (*_INK, *_MEANING)},
        "model": release.model,
        "where": status.where,
        "verdict": status.verdict.value,
        "version": release.plan.version_digest,
        "plan": f"revision {release.plan_revision}, {release.plan_digest}",
        "release": release.id,
        "at": f"{report.at:%Y-%m-%d %H:%M:%S} UTC",
        "asked_by": report.asked_by,
        "head": f"{report.head.size:,}",
        "root": report.head.root.hex(),
        "exposure": report.exposure,
        "incidents": ", ".join(f"{number} {severity}" for severity, number in report.incidents.items()) or "none",
        "stages": [
            {
                "name": stage.name,
                "who": stage.who.cohort,
                "seats": "any number" if stage.who.seats is None else f"{stage.who.seats:,} seats",
                "open": place <= release.stage,
            }
            for place, stage in enumerate(release.plan.stages, start=1)
        ],
        "red": list(status.red),
        "why_not": list(status.why_not),
        "gates": [
            {
                "name": card.name,
                "shown": card.line.shown,
                "sentence": card.line.sentence,
                "waived": card.line.waived,
                "chief": [list(pair) for pair in card.chief],
                "figures": [list(pair) for pair in card.figures],
                "drawing": report.drawings.get(card.line.gate_id),
                "alternative": card.alternative,
                "table": None
                if card.table is None
                else {"headings": list(card.table.headings), "rows": [list(row) for row in card.table.rows]},
            }
            for card in report.cards
        ],
        "not_shown": list(status.not_shown),
        "signatures": [
            {
                "name": words(group.gate_id),
                "wanted": group.wanted,
                "signed": [f"{each.name}, {each.at:%Y-%m-%d %H:%M} UTC" for each in group.signed],
                "missing": [words(role.value) for role in group.missing],
            }
            for group in report.picture.signatures
        ],
        "wires": [
            {
                "name": words(wire.wire_id) + (f" of {wire.stage}" if wire.stage else ""),
                "said": wire.sentence,
                "shown": "CANNOT TELL" if wire.tripped is None else "TOUCHED" if wire.tripped else "QUIET",
            }
            for wire in status.wires
        ],
        "decisions": [
            {
                "at": f"{each.at:%Y-%m-%d %H:%M} UTC",
                "kind": words(each.kind.value),
                "moved": f"{each.before.value} to {each.after.value}, stage {each.stage_before} to {each.stage_after}",
                "by": report.names.get(each.by, each.by),
                "reason": each.reason,
                "id": each.id,
            }
            for each in report.picture.decisions
        ],
    }
