"""Where the text of a responses answer stands: every string a client would see, named by its place in the finished output.

A stream tells a text three times: in deltas, whole when it is done, and again within the item and the response. Each time it is
named by the same place (``0/content/1/text``: output 0, content 1), so what is repeated is told once, and what stands in one of
them only is not missed. Events that nobody here has heard of are text as a whole.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, cast

from headgate.gateway.wire.surface import Piece

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_NOT_TEXT = frozenset(
    {
        "type",
        "id",
        "object",
        "status",
        "role",
        "phase",
        "call_id",
        "item_id",
        "response_id",
        "container_id",
        "file_id",
        "fingerprint",
        "encrypted_content",
        "obfuscation",
    }
)
"""Members that name or encode, and say nothing, where they are strings."""
_ENCODED = {"image_generation_call": "result", "output_audio": "data"}
"""Members that hold an encoded medium, by the type of what they stand in."""


class _Place(NamedTuple):
    """Where an event's text stands: its path within the output, and the member of the event that holds it."""

    path: str
    member: str


def _both(name: str, path: str, whole: str) -> dict[str, _Place]:
    return {f"response.{name}.delta": _Place(path, "delta"), f"response.{name}.done": _Place(path, whole)}


_PLACES: Mapping[str, _Place] = {
    **_both("output_text", "{output}/content/{content}/text", "text"),
    **_both("refusal", "{output}/content/{content}/refusal", "refusal"),
    **_both("reasoning_text", "{output}/content/{content}/text", "text"),
    **_both("reasoning_summary_text", "{output}/summary/{summary}/text", "text"),
    **_both("function_call_arguments", "{output}/arguments", "arguments"),
    **_both("mcp_call_arguments", "{output}/arguments", "arguments"),
    **_both("custom_tool_call_input", "{output}/input", "input"),
    **_both("code_interpreter_call_code", "{output}/code", "code"),
    **_both("shell_call_command", "{output}/action/commands/{command}", "command"),
    **_both("shell_call_output_content", "{output}/output/{command}", "output"),
    **_both("apply_patch_call_operation_diff", "{output}/operation/diff", "diff"),
    **_both("audio.transcript", "transcript", "transcript"),
    "response.shell_call_command.added": _Place("{output}/action/commands/{command}", "command"),
    "response.content_part.added": _Place("{output}/content/{content}", "part"),
    "response.content_part.done": _Place("{output}/content/{content}", "part"),
    "response.reasoning_summary_part.added": _Place("{output}/summary/{summary}", "part"),
    "response.reasoning_summary_part.done": _Place("{output}/summary/{summary}", "part"),
    "response.output_item.added": _Place("{output}", "item"),
    "response.output_item.done": _Place("{output}", "item"),
    "response.output_text.annotation.added": _Place("{output}/content/{content}/annotations/{annotation}", "annotation"),
}
_WORDLESS = frozenset({"response.audio.delta", "response.audio.done", "response.image_generation_call.partial_image"})
"""Events that carry nothing but an encoded medium."""


DELTAS = frozenset(kind for kind in (*_PLACES, *_WORDLESS) if kind.endswith(".delta"))
"""Events that carry text in ``delta`` and nowhere else."""


class Texts:
    """Finds the text of one answer, each text once."""

    def __init__(self) -> None:
        self._said: dict[str, list[str]] = {}
        self._channels: dict[tuple[str, int, int, int, int], str | None] = {}

    def of_delta(self, place: tuple[str, int, int, int, int], text: str) -> tuple[Piece, ...]:
        """Return the text of an event whose ``delta`` is a string.

        Args:
            place: Its type, one of ``DELTAS``, and the indices of its output, content, summary and command.
            text: The string.
        """
        if place in self._channels:
            channel = self._channels[place]
        else:
            kind, output, content, summary, command = place
            known = _PLACES.get(kind)
            channel = self._channels[place] = (
                None if known is None else known.path.format(output=output, content=content, summary=summary, command=command)
            )
        return () if channel is None or not text else (self._more(channel, text),)

    def of_event(self, event: dict[str, Any]) -> tuple[Piece, ...]:
        """Return the text of a stream's event that has not been told before."""
        kind: Any = event.get("type")
        if kind in _WORDLESS:
            return ()
        response: Any = event.get("response")
        if isinstance(response, dict):
            return self.of_response(cast("dict[str, Any]", response))
        place = _PLACES.get(kind) if isinstance(kind, str) else None
        if place is None:
            where, value = f"{kind}/{event.get('output_index', 0)}", cast("Any", event)
        else:
            where, value = _path(place.path, event), event.get(place.member)
        if isinstance(kind, str) and kind.endswith(".delta"):
            return tuple(self._more(channel, text) for channel, text in strings_in(value, where))
        return self._fresh(strings_in(value, where))

    def of_response(self, response: dict[str, Any]) -> tuple[Piece, ...]:
        """Return the text of a response's output that has not been told before."""
        output: Any = response.get("output")
        if not isinstance(output, list):
            return ()
        items = enumerate(cast("list[Any]", output))
        return self._fresh(found for index, item in items for found in strings_in(item, str(index)))

    def at(self, channel: str) -> str:
        """Return the text that was told of a place."""
        return "".join(self._said.get(channel, ()))

    def _more(self, channel: str, text: str) -> Piece:
        self._said.setdefault(channel, []).append(text)
        return Piece(channel, text)

    def _fresh(self, found: Iterator[tuple[str, str]]) -> tuple[Piece, ...]:
        pieces: list[Piece] = []
        elsewhere: set[str] | None = None
        for channel, text in found:
            told = self.at(channel)
            if text == told:
                continue
            if told and text.startswith(told):
                pieces.append(self._more(channel, text[len(told) :]))
                continue
            if elsewhere is None:  # servers number what they repeat in ways of their own
                elsewhere = {"".join(parts) for parts in self._said.values()}
            if text not in elsewhere:
                self._said[channel] = [text]
                pieces.append(Piece(f"{channel}/again" if told else channel, text))
        return tuple(pieces)


def strings_in(value: Any, where: str) -> Iterator[tuple[str, str]]:
    """Yield every string in a value that says something, with its place. Not recursive: depth is the server's choice."""
    waiting: list[tuple[str, Any]] = [(where, value)]
    while waiting:
        path, item = waiting.pop()
        if isinstance(item, str):
            if item and not (item.startswith("data:") and ";base64," in item[:100]):
                yield path, item
        elif isinstance(item, dict):
            members = cast("dict[str, Any]", item)
            kind: Any = members.get("type")
            encoded = _ENCODED.get(kind) if isinstance(kind, str) else None
            waiting.extend(
                (f"{path}/{key}", members[key])
                for key in reversed(members)
                if not ((key in _NOT_TEXT or key == encoded) and isinstance(members[key], str)) and key != "logprobs"
            )
        elif isinstance(item, list):
            elements = cast("list[Any]", item)
            waiting.extend((f"{path}/{index}", elements[index]) for index in range(len(elements) - 1, -1, -1))


def _path(template: str, event: dict[str, Any]) -> str:
    return template.format(
        output=event.get("output_index", 0),
        content=event.get("content_index", 0),
        summary=event.get("summary_index", 0),
        command=event.get("command_index", 0),
        annotation=event.get("annotation_index", 0),
    )
