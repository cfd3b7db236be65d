"""A rule set: a data file that is checked before it may say anything.

A file is TOML: a header (``name``, ``version``, ``about``) and ``[[rule]]`` tables. A rule has an ``id`` that never changes
its meaning, a ``hazard``, the part it looks at (``where``: prompt, completion or both), one or more RE2 ``patterns`` of which
any may match, optional ``unless`` patterns that take a match back within the same passage, a ``score``, an ``action`` (flag or
block), a ``why`` sentence for the reviewer, an optional ``note`` for the maintainer, ``match`` and ``no_match`` examples that the
loader tries, and an optional ``expires`` date after which it is silent.
"""

from __future__ import annotations

import tomllib
from datetime import date
from enum import Enum
from importlib import resources
from typing import Annotated

import msgspec

from headgate.kernel.digest import digest_of
from headgate.safety.detectors import normalise
from headgate.safety.detectors.patterns import PatternInvalid, PatternSet
from headgate.safety.errors import RuleSetInvalid

_Text = Annotated[str, msgspec.Meta(min_length=1, max_length=4000)]
_Texts = Annotated[tuple[_Text, ...], msgspec.Meta(min_length=1)]


class Where(Enum):
    """Which part of an exchange a rule looks at."""

    PROMPT = "prompt"
    COMPLETION = "completion"
    BOTH = "both"

    def includes(self, part: Where) -> bool:
        """Return whether a rule that looks here looks at ``part``."""
        return self in {part, Where.BOTH}


class Action(Enum):
    """What a match does."""

    FLAG = "flag"
    BLOCK = "block"


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One rule; the module says what each field means."""

    id: Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9_.-]*$")]
    hazard: Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9_]*$")]
    where: Where
    patterns: _Texts
    score: Annotated[float, msgspec.Meta(gt=0, le=1)]
    action: Action
    why: _Text
    match: _Texts
    no_match: _Texts
    unless: tuple[_Text, ...] = ()
    note: str = ""
    expires: date | None = None

    def speaks_on(self, day: date) -> bool:
        """Return whether the rule has not expired."""
        return self.expires is None or day <= self.expires


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: _Text
    version: Annotated[int, msgspec.Meta(ge=1)]
    about: _Text
    rule: Annotated[tuple[Rule, ...], msgspec.Meta(min_length=1)]


class RuleSet(msgspec.Struct, frozen=True):
    """A checked rule set.

    Attributes:
        name: What people call it.
        version: Its maintainer's count.
        digest: Of everything that decides what it says, the normalisation included.
        rules: By identifier.
    """

    name: str
    version: int
    digest: str
    rules: tuple[Rule, ...]


def load(text: str, *, origin: str) -> RuleSet:
    """Read and check a rule set.

    Args:
        text: The file's content.
        origin: What to call the file in a complaint.

    Raises:
        RuleSetInvalid: It is not TOML, a field is missing, unknown or wrong, a pattern does not compile or matches everything, or
            an example does not do what it says.
    """
    try:
        file = msgspec.convert(tomllib.loads(text), _File)
    except tomllib.TOMLDecodeError as error:
        raise RuleSetInvalid(f"{origin} is not TOML: {error}") from error
    except msgspec.ValidationError as error:
        raise RuleSetInvalid(f"{origin}: {error}") from error
    seen: set[str] = set()
    for rule in file.rule:
        if rule.id in seen:
            raise RuleSetInvalid(f"{origin}: two rules are called {rule.id}.")
        seen.add(rule.id)
        try:
            _check(rule)
        except ValueError as error:
            raise RuleSetInvalid(f"{origin}: rule {rule.id}: {error}") from error
    ordered = tuple(sorted(file.rule, key=lambda rule: rule.id))
    speaking = [msgspec.structs.replace(rule, note="", match=(), no_match=()) for rule in ordered]
    digest = digest_of({"normalise": normalise.VERSION, "rules": msgspec.to_builtins(speaking)})
    return RuleSet(file.name, file.version, digest, ordered)


def baseline() -> RuleSet:
    """Return the small rule set that ships with Headgate: a floor, not a safety measure."""
    file = resources.files("headgate.safety.detectors") / "rulesets" / "baseline.toml"
    return load(file.read_text(encoding="utf-8"), origin="baseline.toml")


def _check(rule: Rule) -> None:
    """Try a rule on its own examples.

    Raises:
        ValueError: It does not keep them; the message is a sentence.
    """
    try:
        patterns, unless = PatternSet(rule.patterns), PatternSet(rule.unless)
    except PatternInvalid as error:
        raise ValueError(f"a pattern does not compile: {error}") from error
    if patterns.matching("") or unless.matching(""):
        raise ValueError("a pattern matches the empty text, so it matches everything.")

    def found(example: str) -> bool:
        normal = normalise.normalise(example)
        return bool(patterns.matching(normal)) and not unless.matching(normal)

    for example in rule.match:
        if not found(example):
            raise ValueError(f"it does not match its example {example!r}.")
    for example in rule.no_match:
        if found(example):
            raise ValueError(f"it matches {example!r}, which it promises to leave alone.")
