"""A text read and linted in one go: everything that can be said of a plan before anything runs, each remark at its place."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

from headgate.releases.decide.lint import lint
from headgate.releases.wire.reading import ReadPlan, placed, read_plan

_REMEMBERED = 16


def check_plan(source: str | bytes, name: str) -> ReadPlan:
    """Read a text and lint the plan in it. Never raises on any text.

    Args:
        source: The text, YAML or JSON, UTF-8.
        name: What to call it, usually the file.

    Returns:
        The plan, if the text holds one, even where lint objects; ask ``ok`` whether it may be carried out.
    """
    return _checked(source, name)


@lru_cache(maxsize=_REMEMBERED)
def _checked(source: str | bytes, name: str) -> ReadPlan:
    """Read and lint a text; the same text says the same for ever, and its page, its preview and its simulation each ask."""
    read = read_plan(source, name)
    return read if read.plan is None else replace(read, findings=placed(read, lint(read.plan)))
