"""A text read and linted in one go: everything that can be said of a plan before anything runs, each remark at its place."""

from __future__ import annotations

from dataclasses import replace

from headgate.releases.decide.lint import lint
from headgate.releases.wire.reading import ReadPlan, placed, read_plan


def check_plan(source: str | bytes, name: str) -> ReadPlan:
    """Read a text and lint the plan in it. Never raises on any text.

    Args:
        source: The text, YAML or JSON, UTF-8.
        name: What to call it, usually the file.

    Returns:
        The plan, if the text holds one, even where lint objects; ask ``ok`` whether it may be carried out.
    """
    read = read_plan(source, name)
    return read if read.plan is None else replace(read, findings=placed(read, lint(read.plan)))
