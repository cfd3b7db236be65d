"""A responses answer, read as it passes.

There are more than fifty kinds of event, and new ones come; what is needed of any is its number, and of a few the response or the
item within. Usage stands in the last event's response. A response that is kept is told of as soon as its identifier is seen, and
so is each of its items, because a later request may name either; a container in which code was run outlasts its response, kept
or not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import msgspec

from headgate.gateway.model import ObjectKind
from headgate.gateway.wire.responses.ending import Shown, cut_off, emptied
from headgate.gateway.wire.responses.texts import DELTAS, Texts
from headgate.gateway.wire.surface import MOST_TOKENS, Created, NotAnAnswer, Passing, Usage

if TYPE_CHECKING:
    from headgate.gateway.model import Refusal, Settings
    from headgate.gateway.wire.sse import Frame
    from headgate.gateway.wire.surface import Piece

_DONE = b"[DONE]"
_LAST = frozenset({"response.completed", "response.incomplete", "response.failed", "response.cancelled"})
_OVER = frozenset({"completed", "incomplete", "failed", "cancelled"})
_NOTHING = Usage(0, 0)
_ABSENT = msgspec.Raw(b"null")


class _Event(msgspec.Struct):
    type: str = ""
    sequence_number: int | None = None
    response: msgspec.Raw = _ABSENT
    item: msgspec.Raw = _ABSENT
    error: msgspec.Raw = _ABSENT
    delta: Any = None
    output_index: int = 0
    content_index: int = 0
    summary_index: int = 0
    command_index: int = 0


class _Item(msgspec.Struct):
    id: Any = None
    container_id: Any = None
    environment: Any = None


class _Response(msgspec.Struct):
    id: Any = None
    status: Any = None
    store: Any = None
    usage: Any = None
    error: Any = None
    output: msgspec.Raw = _ABSENT


_EVENT = msgspec.json.Decoder(_Event)
_ITEM = msgspec.json.Decoder(_Item)
_RESPONSE = msgspec.json.Decoder(_Response)
_ITEMS = msgspec.json.Decoder(list[msgspec.Raw])
_ANY = msgspec.json.Decoder()
_PASSING = Passing(forward=True)


class ResponsesReading:
    """Reads one responses answer.

    Args:
        texts: Whether somebody wants the text.
        store: Whether a response that does not say is taken to be kept.
        turns: User messages up to here, for what goes on from this response.
        background: Whether the upstream may go on with nobody waiting.
        late: Where the response was made by an earlier exchange: whether that one has not seen what it used. ``None`` where
            this one makes it.
    """

    def __init__(self, *, texts: bool, store: bool, turns: int, background: bool, late: bool | None = None) -> None:
        self._texts = Texts() if texts else None
        self._shown = None if self._texts is None else Shown(self._texts)
        self._store = store
        self._turns = turns
        self._background = background
        self._first = late is None
        self._running = late is True
        self._settled = late is False
        self._number = -1
        self._named: set[str] = set()
        self._created: list[Created] = []
        self.usage: Usage | None = None if late is None else _NOTHING
        self.failed = False
        self.ended = False

    @property
    def complete(self) -> bool:
        """Whether the response is over, or an error has been told."""
        return self.ended or self.failed

    def frame(self, frame: Frame) -> Passing:
        """Take in an event.

        Raises:
            NotAnAnswer: It is not a JSON object.
        """
        data = frame.data
        if data is None or not data.strip():
            return _PASSING
        if data == _DONE:
            self.ended = True
            return _PASSING
        event = _event(data)
        self._number = self._number + 1 if event.sequence_number is None else event.sequence_number
        if event.response != _ABSENT:
            self._take_response(event.response)
            if event.type in _LAST:
                self.ended = True
                self.failed = self.failed or event.type == "response.failed"
        elif event.item != _ABSENT:
            self._take_item(event.item)
        if event.type == "error" or event.error != _ABSENT:
            self.failed = True
        if self._texts is None or self._shown is None:
            return _PASSING
        if event.type in DELTAS and isinstance(event.delta, str):  # most events are, and need no second look
            place = (event.type, event.output_index, event.content_index, event.summary_index, event.command_index)
            return Passing(forward=True, pieces=self._texts.of_delta(place, event.delta))
        members = cast("dict[str, Any]", _ANY.decode(data))
        pieces = self._texts.of_event(members)
        self._shown.take(members)
        return Passing(forward=True, pieces=pieces) if pieces else _PASSING

    def whole(self, body: bytes) -> tuple[Piece, ...]:
        """Take in a whole response.

        Raises:
            NotAnAnswer: It is not a JSON object.
        """
        self._take_response(msgspec.Raw(body))
        self.ended = True
        return () if self._texts is None else self._texts.of_response(_ANY.decode(body))

    def created(self) -> tuple[Created, ...]:
        """Return the response and its items, where they are kept, and containers."""
        if not self._created:
            return ()
        created, self._created = tuple(self._created), []
        return created

    def cut(self, refusal: Refusal, settings: Settings, *, type_: str | None) -> bytes:
        """Return an ``error`` event, at which the official client raises."""
        return cut_off(self._number + 1, refusal, settings, type_=type_)

    def withheld(self, refusal: Refusal, settings: Settings) -> bytes:
        """Return the events that close what is open, and ``response.incomplete``; only of a reading that wants the text."""
        shown = self._shown or Shown(Texts())
        return shown.ended(self._number + 1, refusal, settings)

    def withheld_whole(self, body: bytes, refusal: Refusal, settings: Settings) -> bytes:
        """Return the same response, incomplete and without output."""
        return msgspec.json.encode(emptied(_ANY.decode(body), refusal, settings))

    def _take_response(self, raw: msgspec.Raw) -> None:
        try:
            response = _RESPONSE.decode(raw)
        except (msgspec.DecodeError, RecursionError):
            raise NotAnAnswer from None
        self.failed = self.failed or response.error is not None or response.status == "failed"
        if self._settled:
            return
        usage = _usage(response.usage)
        self.usage = usage or self.usage
        if isinstance(response.store, bool):
            self._store = response.store
        if self._store and isinstance(response.id, str) and response.id:
            self._bind(response.id, usage, over=response.status in _OVER)
        for item in _items(response.output):
            self._take_item(item)

    def _bind(self, response_id: str, usage: Usage | None, *, over: bool) -> None:
        if self._first or over:
            detail = {"turns": self._turns, "background": self._background, "tokens": 0 if usage is None else usage.total}
            self._created.append(Created(ObjectKind.RESPONSE, response_id, detail))
        if over == self._running and (self._running or (self._first and self._background)):
            self._running = not over
            self._created.append(Created(ObjectKind.RUNNING_RESPONSE, response_id, {"over": over}))
        self._first = False

    def _take_item(self, raw: msgspec.Raw) -> None:
        if self._settled:
            return
        try:
            item = _ITEM.decode(raw)
        except msgspec.DecodeError:
            return
        if self._store:
            self._name(ObjectKind.RESPONSE_ITEM, item.id)
        self._name(ObjectKind.CONTAINER, item.container_id)
        environment = item.environment
        if isinstance(environment, dict):
            self._name(ObjectKind.CONTAINER, cast("dict[str, Any]", environment).get("container_id"))

    def _name(self, kind: ObjectKind, name: Any) -> None:
        if isinstance(name, str) and name and name not in self._named:
            self._named.add(name)
            self._created.append(Created(kind, name))


def _event(data: bytes) -> _Event:
    try:
        return _EVENT.decode(data)
    except msgspec.ValidationError:
        pass
    except (msgspec.DecodeError, RecursionError):
        raise NotAnAnswer from None
    try:
        event: Any = _ANY.decode(data)
    except (msgspec.DecodeError, RecursionError):
        raise NotAnAnswer from None
    if not isinstance(event, dict):
        raise NotAnAnswer
    members = cast("dict[str, Any]", event)
    kind: Any = members.get("type")
    return _Event(type=kind if isinstance(kind, str) else "")


def _items(output: msgspec.Raw) -> list[msgspec.Raw]:
    try:
        return _ITEMS.decode(output)
    except msgspec.DecodeError:  # absent, or no list
        return []


def _usage(usage: Any) -> Usage | None:
    if not isinstance(usage, dict):
        return None
    members = cast("dict[str, Any]", usage)
    counts = [members.get("input_tokens"), members.get("output_tokens", 0)]
    believed = [count for count in counts if type(count) is int and 0 <= count <= MOST_TOKENS]
    return Usage(*believed) if len(believed) == len(counts) else None
