"""Values to a plan, with every problem reported at once, each at its place and with what would mend it.

The types of ``model.plan`` are the only authority on what a plan may say; this file turns what they object to into sentences.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, cast, get_args

from pydantic import BaseModel, ValidationError

from headgate.releases.model.findings import Finding, Findings, Level, Path, finding
from headgate.releases.model.plan import Gate, Part, Plan, Tripwire
from headgate.releases.model.scalars import SENTENCE
from headgate.releases.wire.document import Document, Value, read_document

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

MOST_FINDINGS = 100
MOST_EXPLAINED = 5 * MOST_FINDINGS
"""Past so many objections of the types, explaining one more only costs time."""


def _by_kind(union: object) -> dict[str, type[Part]]:
    parts = cast("tuple[type[Part], ...]", get_args(get_args(union)[0]))
    return {str(part.model_fields["kind"].default): part for part in parts}


GATES = _by_kind(Gate)
TRIPWIRES = _by_kind(Tripwire)

_EXAMPLES = {
    "name": "name: atlas-2",
    "model": "model: {name: atlas-2, upstream: {url: http://127.0.0.1:8000/v1, model: atlas-2}}",
    "upstream": "upstream: {url: http://127.0.0.1:8000/v1, model: atlas-2}",
    "url": "url: http://127.0.0.1:8000/v1",
    "end_state": "end_state: api_general",
    "staging_is_for": "staging_is_for: [misuse, accident]",
    "stages": "stages: with one entry per stage, lowest first",
    "severity": "severity: high",
    "limit": "limit: {traffic: 2.0e-3}",
    "who": "who: {cohort: staff, seats: 40}",
    "what": "what: {surfaces: [api.chat]}",
    "cohort": "cohort: staff",
    "surfaces": "surfaces: [api.chat]",
    "sample": "sample: 400/week",
    "reviewers": "reviewers: 2",
    "active_days": "active_days: 7",
    "hazard": "hazard: and the name of one under hazards",
    "below": "below: 1.0e-2",
    "alpha": "alpha: 0.02",
    "roles": "roles: [safety_lead]",
    "from": "from: 1.0e-4",
    "of": "of: [language]",
    "above": "above: 0.05",
    "to": "to: 1.0e-3",
    "false_alarm_every": "false_alarm_every: 365d",
    "then": "then: cut",
    "for": "for: 15m",
    "quorum": "quorum: 3",
    "queries": "queries: 1M",
    "tolerated": "tolerated: 0.5",
}
_NAMING = {
    "^[a-z][": "a lower-case word: letters, digits, - and _, at most 63",
    "^[A-Z": "a model's name: letters, digits and . _ : / @ -, at most 128",
    "^[A-Za-z0-9]": "a model's name: letters, digits and . _ : / @ -, at most 128",
    "^[A-Za-z_]": "an environment variable's name: letters, digits and _",
    "^[a-z][a-z0-9_.-]": "a name and a version: input-screen@3",
}
_TRUTHS = {"yes": "true", "y": "true", "on": "true", "1": "true", "no": "false", "n": "false", "off": "false", "0": "false"}
_TYPES = {
    "string_type": "a text",
    "bool_type": "true or false",
    "tuple_type": "a list, such as [one, two]",
    "dict_type": "a mapping, such as {name: value}",
    "model_type": "a mapping, such as {key: value}",
    "model_attributes_type": "a mapping, such as {key: value}",
}


@dataclass(frozen=True, slots=True)
class ReadPlan:
    """What came of reading a text.

    Attributes:
        name: What the text is called.
        document: The values and their places.
        plan: The plan, if it is one.
        findings: What is the matter; at least one error when there is no plan.
    """

    name: str
    document: Document
    plan: Plan | None
    findings: Findings

    @property
    def ok(self) -> bool:
        """Return whether nothing found so far forbids carrying the plan out."""
        return self.plan is not None and not self.findings.errors


def load_plan(source: str | bytes, name: str) -> Plan | Findings:
    """Read a plan, or say everything that is the matter with its form.

    Args:
        source: The text, YAML or JSON, UTF-8.
        name: What to call it, usually the file.

    Returns:
        The plan, or the findings; those hold at least one error. Never raises on any text.
    """
    read = read_plan(source, name)
    return read.findings if read.plan is None else read.plan


def plan_of(value: Value, name: str) -> Plan | Findings:
    """Return the plan that plain values spell, or say everything that is the matter with them."""
    found: list[Finding] = []
    plan = _Reading(Document(value=value), found).plan()
    return plan if plan is not None and not found else _ordered(name, found)


def read_plan(source: str | bytes, name: str) -> ReadPlan:
    """Read a plan and keep its places, so that later findings can be placed too. Never raises on any text."""
    document = read_document(source)
    found = list(document.findings)
    plan: Plan | None = None
    if document.value is not None:
        reading = _Reading(document, found)
        plan = reading.plan()
    if any(item.severity is Level.ERROR for item in found):
        plan = None
    return ReadPlan(name, document, plan, _ordered(name, found))


def placed(read: ReadPlan, findings: list[Finding]) -> Findings:
    """Return the findings of reading and the given ones together, each at its place, in the order of the text."""
    located = [item.at(read.document.place(item.path)) for item in findings]
    return _ordered(read.name, [*read.findings, *located])


def _ordered(name: str, found: list[Finding]) -> Findings:
    def order(item: Finding) -> tuple[int, int, str]:
        return item.line or 0, item.column or 0, item.code

    unique = list(dict.fromkeys(sorted(found, key=order)))
    if len(unique) > MOST_FINDINGS:
        rest = len(unique) - MOST_FINDINGS
        errors_first = sorted(unique, key=lambda item: item.severity is not Level.ERROR)[:MOST_FINDINGS]
        more = finding(
            "plan.too_many_findings", (), f"at least {rest:,} more findings are not shown", "mend these first", unique[-1].place
        )
        unique = [*sorted(errors_first, key=order), more]
    return Findings(name, tuple(unique))


class _Reading:
    """One document on its way to being a plan."""

    def __init__(self, document: Document, found: list[Finding]) -> None:
        self.document = document
        self.found = found
        self.entries: dict[Path, list[int]] = {}  # lists of gates: the position in the text of each one kept
        self.silent: set[Path] = set()  # paths already spoken of

    def plan(self) -> Plan | None:
        value = self.document.value
        if not isinstance(value, dict):
            self.say("plan.wrong_type", (), f"a plan is a mapping, not {_called(value)}", "start with `kind: ReleasePlan`")
            return None
        shaped = self.shape(cast("dict[str, Any]", value), ())
        if "kind" not in shaped and ("kind",) not in self.silent:
            self.say("plan.missing_key", (), "`kind` is missing: nothing says that this is a plan", "add `kind: ReleasePlan`")
        try:
            plan = Plan.model_validate(shaped)
        except ValidationError as problems:
            for problem in problems.errors(include_url=False)[:MOST_EXPLAINED]:
                self.explain(problem)
            return None
        for path in self.document.norway:
            word = self.document.written.get(path, str(path[-1]))
            self.say("plan.norway", path, f"`{word}` is read here as a text", f'write "{word}", or another word')
        return plan

    def shape(self, value: Any, path: Path) -> Any:
        """Give gates and tripwires the shape their types have, and leave out what has nothing in it."""
        if isinstance(value, dict):
            kept: dict[str, Any] = {}
            for key, inner in cast("dict[str, Any]", value).items():
                here = (*path, key)
                if inner is None:
                    if here not in self.document.dropped:
                        fix = "write a value, or leave the key out"
                        self.say("plan.empty_value", here, f"nothing is written after `{key}`", fix, key=True)
                    self.silent.add(here)
                elif len(here) == 3 and here[0] == "stages" and key in ("leave", "stop") and isinstance(inner, list):  # noqa: PLR2004 - stages[i].leave
                    kept[key] = self.conditions(cast("list[Any]", inner), here)
                else:
                    kept[key] = self.shape(inner, here)
            return kept
        if isinstance(value, list):
            return [self.shape(inner, (*path, at)) for at, inner in enumerate(cast("list[Any]", value))]
        return value

    def conditions(self, listed: list[Any], path: Path) -> list[dict[str, Any]]:
        kept: list[dict[str, Any]] = []
        self.entries[path] = []
        for at, entry in enumerate(listed):
            condition = self.condition(entry, (*path, at), gate=path[-1] == "leave")
            if condition is not None:
                kept.append(condition)
                self.entries[path].append(at)
        return kept

    def condition(self, entry: Any, path: Path, *, gate: bool) -> dict[str, Any] | None:
        noun, own, other = ("gate", GATES, TRIPWIRES) if gate else ("tripwire", TRIPWIRES, GATES)
        example = "- soak: {active_days: 7}" if gate else "- incident: {severity: critical, then: cut}"
        if not isinstance(entry, dict) or len(cast("dict[str, Any]", entry)) != 1:
            if path not in self.document.dropped:
                keys = list(cast("dict[str, Any]", entry)) if isinstance(entry, dict) else []
                said = f"a {noun} is one key with its settings, not {_called(entry)}"
                if len(keys) > 1:
                    said = f"a {noun} is one key with its settings; here are {len(keys)}: {', '.join(keys)[:60]}"
                self.say(
                    "plan.gate_shape", path, said, f"write `{example}`; settings are indented below the key, or stand in braces"
                )
            return None
        (kind, body), *_ = cast("dict[str, Any]", entry).items()
        here = (*path, kind)
        if kind not in own:
            if kind in other:
                fix = f"move it below `{'stop' if gate else 'leave'}`"
                said = f"`{kind}` is a {'tripwire' if gate else 'gate'}, not a {noun}"
            else:
                said, fix = f"there is no {noun} called `{kind[:40]}`", _nearest(kind, own) or f"one of {', '.join(own)}"
            self.say(f"plan.unknown_{noun}", here, said, fix, key=True)
            return None
        if not isinstance(body, dict):
            if here not in self.document.dropped:
                self.say(
                    "plan.wrong_type", here, f"`{kind}` takes a mapping, not {_called(body)}", f"write `{example}`", key=True
                )
            return None
        settings = self.shape(cast("dict[str, Any]", body), here)
        if "kind" in settings:
            del settings["kind"]
            self.say(
                "plan.unknown_key",
                (*here, "kind"),
                "`kind` is no key here: the gate's own key says its kind",
                "remove it",
                key=True,
            )
        return {"kind": kind, **settings}

    def explain(self, problem: ErrorDetails) -> None:
        """Turn one of the types' objections into a finding."""
        path = self.in_text(problem["loc"])
        kind = problem["type"]
        context: dict[str, Any] = problem.get("ctx") or {}
        is_key = bool(path) and path[-1] == "[key]"
        path = path[:-1] if is_key else path
        if path in self.silent or path in self.document.dropped:
            return
        last = next((str(step) for step in reversed(path) if isinstance(step, str)), "plan")
        value = self.document.written.get(path, "")
        match kind:
            case "missing":
                owner = next((str(step) for step in reversed(path[:-1]) if isinstance(step, str)), "the plan")
                example = "model: atlas-2" if path[-2:] == ("upstream", "model") else _EXAMPLES.get(str(path[-1]), str(path[-1]))
                self.say(
                    "plan.missing_key",
                    path[:-1],
                    f"`{path[-1]}` is missing from {_owner(owner, path)}",
                    f"add `{example}`",
                    key=True,
                )
            case "extra_forbidden":
                self.unknown_key(path)
            case "enum" | "literal_error":
                words = _words(str(context.get("expected", "")))
                shown = f"`{value[:40]}`" if value else _called(problem["input"])
                self.say("plan.unknown_word", path, f"{shown} is not a word for `{last}`", _choice(value, words))
            case "string_pattern_mismatch" | "string_too_short" | "string_too_long":
                self.wrong_text(path, str(path[-1]) if is_key else value, context, key=is_key)
            case "too_short" if problem["input"]:
                pass  # its entries were wrong, and each was spoken of
            case "too_short":
                self.say(
                    "plan.empty_list",
                    path,
                    f"`{last}` names nothing",
                    f"name at least one, such as `{_EXAMPLES.get(last, last)}`",
                )
            case _ if kind.startswith("plan_"):
                self.say(kind.replace("plan_", "plan."), path, str(context["what"]), str(context["fix"]))
            case _:
                wanted = _TYPES.get(kind, "something else")
                shown = f"`{value[:40]}`" if value else _called(problem["input"])
                fix = (
                    f'write "{value[:40]}"' if kind == "string_type" and value else f"write {_TRUTHS.get(value.lower(), wanted)}"
                )
                self.say("plan.wrong_type", path, f"`{last}` takes {wanted}, not {shown}", fix)

    def wrong_text(self, path: Path, shown: str, context: dict[str, Any], *, key: bool) -> None:
        last = next((str(step) for step in reversed(path) if isinstance(step, str)), "plan")
        pattern = str(context.get("pattern", ""))
        if not pattern:
            self.say("plan.text", path, f"`{last}` has one to 500 characters", "write a short sentence")
        elif pattern == SENTENCE:
            self.say("plan.text", path, f"`{last}` holds control characters", "write plain words")
        else:
            longest_first = sorted(_NAMING.items(), key=lambda item: -len(item[0]))
            rule = next((rule for start, rule in longest_first if pattern.startswith(start)), pattern)
            self.say("plan.name", path, f"`{shown[:40]}` is not a name for this", f"write {rule}", key=key)

    def unknown_key(self, path: Path) -> None:
        key = str(path[-1])
        part = _part_at(path[:-1])
        known = _keys_of(part) if part is not None else ()
        homes = sorted({home for home, keys in _HOMES.items() if key in keys and home != "the plan"})
        if homes:
            fix = f"`{key}` belongs in {' or '.join(f'`{home}`' for home in homes)}"
        else:
            fix = _nearest(key, known) or f"known here: {', '.join(known)}"
        owner = next((str(step) for step in reversed(path[:-1]) if isinstance(step, str)), "the plan")
        self.say("plan.unknown_key", path, f"`{key[:60]}` is not a key of {_owner(owner, path)}", fix, key=True)

    def in_text(self, loc: tuple[int | str, ...]) -> Path:
        """Return where in the text the types' place is: entries that were left out shifted the ones after them."""
        path: Path = ()
        for step in loc:
            kept = self.entries.get(path)
            path = (*path, kept[step] if kept is not None and isinstance(step, int) else step)
        return path

    def say(self, code: str, path: Path, message: str, fix: str, *, key: bool = False) -> None:
        self.found.append(finding(code, path, message, fix, self.document.place(path, key=key)))


def _owner(owner: str, path: Path) -> str:
    if owner == "stages" and any(isinstance(step, int) for step in path):
        return "the stage"
    return owner if owner == "the plan" else f"`{owner}`"


def _called(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "a truth value"
    if isinstance(value, int | float):
        return "a number"
    if isinstance(value, str):
        return f"the text `{value[:40]}`"
    return "a list" if isinstance(value, list) else "a mapping"


def _words(expected: str) -> list[str]:
    """Read the words out of the type's own list: ``'a', 'b' or 'c'``."""
    return [word for at, word in enumerate(expected.split("'")) if at % 2]


def _nearest(word: str, known: Any) -> str | None:
    plain = {str(name).lower().replace("-", "_"): str(name) for name in known}
    near = difflib.get_close_matches(word[:64].lower().replace("-", "_"), plain, n=1, cutoff=0.6)
    return f"did you mean `{plain[near[0]]}`?" if near else None


def _choice(word: str, words: list[str]) -> str:
    listed = f"one of {', '.join(words)}" if len(words) > 1 else f"write `{words[0]}`" if words else "another word"
    near = _nearest(word, words)
    return f"{near} {listed}" if near and len(words) > 1 else listed


def _keys_of(part: type[Part]) -> tuple[str, ...]:
    return tuple(info.alias or name for name, info in part.model_fields.items() if not (name == "kind" and part is not Plan))


def _part_at(path: Path) -> type[Part] | None:
    """Return the type that governs a mapping, by following a path through the types."""
    here: Any = Plan
    for step in path:
        if isinstance(step, int):
            continue  # a list's entries have the list's own type of entry
        parts = _parts_in(here)
        tagged = [part for part in parts if "kind" in part.model_fields and part.model_fields["kind"].default == step]
        if tagged:
            here = tagged[0]
            continue
        owner = next((part for part in parts if step in _keys_of(part)), None)
        if owner is None:
            # a mapping by name, such as hazards: its values have one type
            continue
        here = next(info.annotation for name, info in owner.model_fields.items() if (info.alias or name) == step)
    parts = _parts_in(here)
    return parts[0] if len(parts) == 1 else None


def _parts_in(annotation: Any) -> list[type[Part]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [cast("type[Part]", annotation)]
    return [part for inner in get_args(annotation) if not isinstance(inner, Enum) for part in _parts_in(inner)]


def _homes() -> dict[str, tuple[str, ...]]:
    homes: dict[str, tuple[str, ...]] = {}
    queue: list[tuple[str, type[Part]]] = [("the plan", Plan)]
    while queue:
        home, part = queue.pop()
        if home in homes:
            continue
        homes[home] = _keys_of(part)
        for name, info in part.model_fields.items():
            for inner in _parts_in(info.annotation):
                kind = inner.model_fields.get("kind")
                queue.append((str(kind.default) if kind is not None and inner is not Plan else (info.alias or name), inner))
    return homes


_HOMES = _homes()
