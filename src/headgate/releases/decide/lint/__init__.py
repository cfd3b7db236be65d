"""What a careful colleague would say of a plan before anything runs.

Pure: the plan goes in, findings come out, nothing else is asked. A finding names a code of ``LINTS``, a place, a sentence with
the numbers in it, and what would mend it. Only errors forbid carrying the plan out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from headgate.releases.decide.lint.controls import lint_controls
from headgate.releases.decide.lint.evaluations import lint_evaluations
from headgate.releases.decide.lint.holdback import lint_holdbacks
from headgate.releases.decide.lint.irreversible import lint_irreversible
from headgate.releases.decide.lint.ladder import lint_ladder
from headgate.releases.decide.lint.limits import lint_limits
from headgate.releases.decide.lint.people import lint_people
from headgate.releases.decide.lint.power import lint_power
from headgate.releases.decide.lint.references import lint_references
from headgate.releases.decide.lint.serving import lint_serving
from headgate.releases.decide.lint.users import lint_users
from headgate.releases.model.findings import DECIDING, LINTS, READING, Finding, Findings, Level, Lint

if TYPE_CHECKING:
    from headgate.releases.model.plan import Plan

__all__ = ["LINTS", "Finding", "Findings", "Level", "Lint", "lint", "lints_markdown"]


def lint(plan: Plan) -> list[Finding]:
    """Return what is to be said of a plan; an empty list when nothing is."""
    rules = (
        lint_references,
        lint_ladder,
        lint_limits,
        lint_serving,
        lint_controls,
        lint_power,
        lint_users,
        lint_people,
        lint_holdbacks,
        lint_evaluations,
        lint_irreversible,
    )
    return [finding for rule in rules for finding in rule(plan)]


def lints_markdown() -> str:
    """Return the table of everything that may be said of a plan, for the generated documents."""
    lines = [
        "# Lint",
        "",
        "What `headgate plan lint` may say of a plan. An error forbids carrying the plan out; a warning is what a careful",
        "planner would change; a note is something to know. Codes never change their meaning.",
    ]
    for title, table in (("Reading the text", READING), ("Reading the plan", DECIDING)):
        lines += ["", f"## {title}", "", "| code | weight | what it says |", "|---|---|---|"]
        lines += [f"| `{code}` | {said.level.value} | {said.sentence} |" for code, said in table.items()]
    return "\n".join(lines) + "\n"
