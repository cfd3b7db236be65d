"""YAML text to plain values, each with its place in the text.

The reader follows the parser's events itself, so that it can say where everything stands, refuse what a plan never needs
(anchors, aliases, merge keys, tags, several documents) and stop before a hostile text grows. Bare scalars follow YAML 1.2's
core schema: ``no`` is a word, ``1e-3`` a number, ``010`` neither eight nor ten but a text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from headgate.releases.model.findings import Finding, Path, Place, finding

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MOST_BYTES = 1_000_000
MOST_DEEP = 24

Value: TypeAlias = str | int | float | bool | list["Value"] | dict[str, "Value"] | None

_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]{0,17})")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|(0|[1-9][0-9]*)(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_TRUTH = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_HALVES = re.compile("[\ud800-\udfff]")
_NOTHING = {"", "~", "null", "Null", "NULL"}
_NORWAY = {"y", "n", "yes", "no", "on", "off"}


@dataclass(slots=True)
class Document:
    """A text's values and places.

    Attributes:
        value: What it says; ``None`` when it says nothing that can be read.
        keys: Where each key stands.
        values: Where each value stands.
        written: How each scalar was written.
        dropped: The paths whose values were refused while reading.
        norway: The paths of bare words that other readers take for truth values.
        findings: What is the matter with the text itself.
    """

    value: Value = None
    keys: dict[Path, Place] = field(default_factory=dict[Path, Place])
    values: dict[Path, Place] = field(default_factory=dict[Path, Place])
    written: dict[Path, str] = field(default_factory=dict[Path, str])
    dropped: set[Path] = field(default_factory=set[Path])
    norway: list[Path] = field(default_factory=list[Path])
    findings: list[Finding] = field(default_factory=list[Finding])

    def place(self, path: Path, *, key: bool = False) -> Place:
        """Return where a path stands, or where the nearest thing around it stands."""
        first, second = (self.keys, self.values) if key else (self.values, self.keys)
        for length in range(len(path), -1, -1):
            around = path[:length]
            if (place := first.get(around) or second.get(around)) is not None:
                return place
            first, second = self.keys, self.values  # around the thing, its key says more than its first character
        return Place(1, 1)


@dataclass(frozen=True, slots=True)
class _Event:
    """What we need of one of the parser's events."""

    kind: str
    line: int
    column: int
    end_line: int
    end_column: int
    anchor: str | None
    tag: str | None
    text: str
    plain: bool

    @property
    def place(self) -> Place:
        width = self.end_column - self.column if self.end_line == self.line else 1
        return Place(self.line, self.column, max(width, 1))


class _Stop(Exception):
    """Reading ends here; the finding that says why is already recorded."""


def read_document(source: str | bytes) -> Document:
    """Read a text. Never raises: what is the matter stands in the findings."""
    document = Document()
    text = _decoded(source, document)
    if text is None:
        return document
    reader = _Reader(document)
    try:
        document.value = reader.document(_events(text))
    except _Stop:
        document.value = None
    except MarkedYAMLError as error:
        document.value = None
        document.findings.append(_syntax(error, text))
    except (YAMLError, ValueError, OverflowError, IndexError, AttributeError, AssertionError) as error:
        # The parser lets a few of Python's own errors through (a character number out of range, a directive cut short).
        document.value = None
        reason = re.sub(r"\s+", " ", str(error)).strip()[:120] or "it cannot be parsed"
        document.findings.append(finding("plan.yaml", (), f"not well-formed YAML: {reason}", "mend the text", Place(1, 1)))
    return document


def _decoded(source: str | bytes, document: Document) -> str | None:
    try:
        content = source.encode() if isinstance(source, str) else source
        if len(content) > MOST_BYTES:
            message = f"the text has {len(content):,} bytes; a plan has at most {MOST_BYTES:,}"
            document.findings.append(finding("plan.too_large", (), message, "check that this is the right file", Place(1, 1)))
            return None
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = error.object[: error.start]
        line = before.count(b"\n") + 1
        column = len(before.rpartition(b"\n")[2].decode(errors="replace")) + 1
        message = f"byte 0x{error.object[error.start]:02x} is not UTF-8"
        document.findings.append(finding("plan.not_utf8", (), message, "save the file as UTF-8", Place(line, column)))
    except UnicodeEncodeError:
        document.findings.append(finding("plan.not_utf8", (), "half a character pair", "save the file as UTF-8", Place(1, 1)))
    return None


def _syntax(error: MarkedYAMLError, text: str) -> Finding:
    marked = cast("Any", error)
    problem = str(marked.problem or marked.context or "it cannot be parsed")
    unclosed = "end of stream" in problem  # where it was opened says more than where the text ends
    mark = (marked.context_mark if unclosed else None) or marked.problem_mark or marked.context_mark
    line, column = (int(mark.line), int(mark.column)) if mark is not None else (0, 0)
    lines = text.splitlines()
    here = lines[line] if line < len(lines) else ""
    place = Place(line + 1, column + 1)
    if here[column : column + 1] == "\t" or "\\t" in problem or "\t" in here[: len(here) - len(here.lstrip())]:
        return finding("plan.tab", (), "a tab where YAML expects spaces", "indent with spaces", place)
    problem = re.sub(r"\s+", " ", problem).strip()[:160]
    fix = "check the indentation, the colons and the quotes around here; a text with ': ' or '#' in it needs quotes"
    return finding("plan.yaml", (), f"not well-formed YAML: {problem}", fix, place)


def _events(text: str) -> Iterator[_Event]:
    yaml: Any = YAML(typ="safe", pure=True)
    parse = cast("Callable[[str], Iterator[Any]]", yaml.parse)
    for event in parse(text):
        kind = type(event).__name__
        start, end = event.start_mark, event.end_mark
        yield _Event(
            kind=kind,
            line=start.line + 1,
            column=start.column + 1,
            end_line=end.line + 1,
            end_column=end.column + 1,
            anchor=getattr(event, "anchor", None),
            tag=getattr(event, "tag", None),
            text=_joined(str(getattr(event, "value", ""))),
            plain=getattr(event, "style", None) in (None, ""),
        )


def _joined(text: str) -> str:
    """Join the character pairs that JSON writes as two escapes; half a pair stays, and is refused where it is met."""
    if _HALVES.search(text) is None:
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")


def _resolved(text: str) -> Value:
    """Return what a bare scalar says under YAML 1.2's core schema."""
    if text in _NOTHING:
        return None
    if text in _TRUTH:
        return _TRUTH[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    return float(text) if _FLOAT.fullmatch(text) else text


class _Reader:
    """Builds values from events."""

    def __init__(self, document: Document) -> None:
        self.out = document

    def document(self, events: Iterator[_Event]) -> Value:
        value: Value = None
        documents = 0
        for event in events:
            if event.kind == "DocumentStartEvent":
                documents += 1
                if documents > 1:
                    self.say("plan.many_documents", (), "a second document begins here", "keep one plan in a file", event.place)
                    raise _Stop
            elif event.kind in ("MappingStartEvent", "SequenceStartEvent", "ScalarEvent", "AliasEvent"):
                value = self.node(event, events, ())
        if documents == 0 or (value is None and not self.out.findings):
            self.say("plan.empty", (), "there is no plan in this text", "start with `kind: ReleasePlan`", Place(1, 1))
        return value

    def node(self, event: _Event, events: Iterator[_Event], path: Path) -> Value:
        if len(path) > MOST_DEEP:
            self.say("plan.too_deep", path, f"nested more than {MOST_DEEP} deep", "check the brackets", event.place)
            raise _Stop
        if event.kind == "AliasEvent":
            fix = "write the value out where it is needed"
            self.say("plan.alias", path, f"`*{event.anchor}` stands for something written elsewhere", fix, event.place)
            self.out.dropped.add(path)
            return None
        if event.anchor is not None:
            self.say("plan.alias", path, f"`&{event.anchor}` is an anchor", "remove the anchor and write values out", event.place)
        if event.tag is not None:
            tag = event.tag.replace("tag:yaml.org,2002:", "!!")
            self.say("plan.tag", path, f"`{tag[:40]}` is a tag", "remove the tag", event.place)
        self.out.values[path] = event.place
        match event.kind:
            case "MappingStartEvent":
                return self.mapping(events, path)
            case "SequenceStartEvent":
                return self.sequence(events, path)
            case _:
                return self.scalar(event, path)

    def mapping(self, events: Iterator[_Event], path: Path) -> Value:
        value: dict[str, Value] = {}
        for event in events:
            if event.kind == "MappingEndEvent":
                break
            key = self.key(event, events, path)
            if key is None or key in value:
                if key is not None:
                    first = self.out.keys[(*path, key)].line
                    message = f"`{key}` stands here a second time; the first is on line {first}"
                    self.say("plan.duplicate_key", (*path, key), message, "keep one of the two", event.place)
                self.skip(events, path)
                continue
            here = (*path, key)
            self.out.keys[here] = event.place
            value[key] = self.node(next(events), events, here)
        return value

    def key(self, event: _Event, events: Iterator[_Event], path: Path) -> str | None:
        """Read a key; a key that is not a word costs its value too."""
        if event.kind != "ScalarEvent":
            message = "a key is a plain word" if event.kind != "AliasEvent" else "an alias cannot be a key"
            self.say("plan.key", path, message, "write a word, then a colon", event.place)
            if event.kind != "AliasEvent":
                self.drain(events)
            return None
        if event.anchor is not None or event.tag is not None:
            code, what = ("plan.alias", "an anchor") if event.anchor is not None else ("plan.tag", "a tag")
            self.say(code, path, f"a key carries {what}", "remove it", event.place)
        if event.text == "<<" and event.plain:
            self.say("plan.alias", path, "`<<` merges another mapping into this one", "write the keys out here", event.place)
            return None
        if event.plain and event.text in _NOTHING:
            self.say("plan.key", path, "a key is missing before the colon", "write a word, then a colon", event.place)
            return None
        if event.plain and event.text.lower() in _NORWAY:
            self.out.norway.append((*path, event.text))
        return self.whole(event, path)

    def skip(self, events: Iterator[_Event], path: Path) -> None:
        """Read past a value that nobody will use."""
        event = next(events)
        if event.kind in ("MappingStartEvent", "SequenceStartEvent"):
            self.drain(events)
        elif event.kind == "AliasEvent":
            self.say("plan.alias", path, f"`*{event.anchor}` stands for something written elsewhere", "write it out", event.place)

    def drain(self, events: Iterator[_Event]) -> None:
        open_brackets = 1
        for event in events:
            open_brackets += event.kind in ("MappingStartEvent", "SequenceStartEvent")
            open_brackets -= event.kind in ("MappingEndEvent", "SequenceEndEvent")
            if open_brackets == 0:
                return

    def sequence(self, events: Iterator[_Event], path: Path) -> Value:
        value: list[Value] = []
        for event in events:
            if event.kind == "SequenceEndEvent":
                break
            value.append(self.node(event, events, (*path, len(value))))
        return value

    def scalar(self, event: _Event, path: Path) -> Value:
        text = self.whole(event, path)
        self.out.written[path] = text
        if event.plain and text.lower() in _NORWAY:
            self.out.norway.append(path)
        return _resolved(text) if event.plain else text

    def whole(self, event: _Event, path: Path) -> str:
        """Return a scalar's text, refusing half a character pair: nothing could print it, and no store would keep it."""
        if _HALVES.search(event.text) is None:
            return event.text
        self.say("plan.not_utf8", path, "half a character pair", "write the character itself", event.place)
        return _HALVES.sub("\N{REPLACEMENT CHARACTER}", event.text)

    def say(self, code: str, path: Path, message: str, fix: str, place: Place) -> None:
        self.out.findings.append(finding(code, path, message, fix, place))
