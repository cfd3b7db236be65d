"""What a body asks for, and the same body as the upstream is to see it.

Reading compiles the body into a ``Call``; forwarding makes the few changes that the admission demands and leaves every
other byte as it came. Fields that no capability governs go through unread.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from headgate.gateway.errors import WrongType
from headgate.gateway.model import Call, ObjectKind
from headgate.gateway.wire.chat.reading import ChatReading
from headgate.gateway.wire.document import Document, Edit, elements, patched, read, without
from headgate.gateway.wire.fields import (
    BYTES_PER_TOKEN,
    TOKENS_PER_MEDIUM,
    array,
    boolean,
    end_user,
    mapping,
    model,
    strings,
    whole,
    without_surrogates,
)
from headgate.gateway.wire.surface import Reference

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from headgate.gateway.model import Admitted, StoredObject

_SURFACE = "api.chat"
_MORE_LOGPROBS = ("prompt_logprobs", "n_probs")
_FORMS = (
    "guided_json",
    "guided_regex",
    "guided_choice",
    "guided_grammar",
    "structured_outputs",
    "json_schema",
    "grammar",
)
"""What some servers take instead of ``response_format``."""
_FIELDS: Mapping[str, tuple[str, ...]] = {
    "tools": ("tools", "tool_choice", "functions", "function_call", "parallel_tool_calls"),
    "logprobs": ("logprobs", "top_logprobs", *_MORE_LOGPROBS),
    "n": ("n", "best_of"),
    "seed": ("seed",),
    "response_format": ("response_format", *_FORMS),
}
"""The fields that go when a capability is taken out."""

_GOVERNED = frozenset(
    {*(field for fields in _FIELDS.values() for field in fields), "store", "web_search_options", "modalities", "audio"}
)
"""The fields that ask for a capability; a body without any of them need not be asked one by one."""

_BOUNDS = ("max_completion_tokens", "max_tokens", "max_new_tokens", "n_predict")
"""What bounds an answer, by any name that some server lets win over the others."""
_CONTENTS = (str, list)
_SYSTEM_ROLES = frozenset({"system", "developer"})
_PART_CAPABILITIES = {
    "image_url": "image_input",
    "input_image": "image_input",
    "input_audio": "audio_input",
    "file": "file_input",
}
_TEXT_PARTS = frozenset({"text", "refusal", "input_text", "output_text", "thinking"})
_MEDIA = frozenset({"image_url", "input_image", "input_audio", "file", "image"})
_NOT_PROSE = frozenset({"role", "type", "id", "tool_call_id"}) | _MEDIA


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """A chat request as it was read.

    Attributes:
        call: What it asks for.
        document: The body, with where everything stands.
        wants_usage: Whether the client itself asked for usage on the stream.
        references: Files and spoken answers that it names, which an upstream keeps; each must be the caller's own.
    """

    call: Call
    document: Document
    wants_usage: bool
    references: tuple[Reference, ...] = ()

    def continuing(self, kept: Sequence[StoredObject]) -> ChatRequest:
        """Return the same request: a file counts as a medium already, and what was said aloud as little as it was paid for."""
        del kept
        return self

    def texts(self) -> list[str]:
        """Return everything in the request that a model would read as prose, for a screen."""
        found = [
            text
            for key in ("messages", "tools", "functions")
            for text in strings(self.document.value(key), passing_over=_NOT_PROSE)
        ]
        return [without_surrogates(text) for text in found]

    def forwarded(self, admitted: Admitted) -> bytes:
        """Return the body for the upstream.

        Changed, and nothing else: the model's name to the upstream's; capabilities taken out; the bound on the answer where
        the stage sets one; ``stream_options.include_usage`` on streams, for metering; ``parallel_tool_calls: false`` where
        tools are allowed and parallel calls are not, because upstreams take silence for a yes.
        """
        document = self.document
        gone = self._gone(admitted)
        wanted = {**self._bounds(admitted), **self._serial_tools(admitted, gone)}
        upstream = admitted.policy.upstream
        if upstream.model != self.call.model:
            wanted["model"] = json.dumps(upstream.model)
        edits: list[Edit] = []
        if self.call.stream and not self.wants_usage:
            if document.value("stream_options") is None:
                wanted["stream_options"] = '{"include_usage":true}'
            else:
                options = document.inner("stream_options")
                edits.append(options.setting("include_usage", "true") or options.adding({"include_usage": "true"}))
        if "system_prompt" in admitted.stripped:
            edits += _without_system(document)
        edits += document.removing(gone)
        edits += [edit for key, text in wanted.items() if (edit := document.setting(key, text)) is not None]
        fresh = {key: text for key, text in wanted.items() if key not in document.members}
        if fresh:
            edits.append(document.adding(fresh))
        return patched(document.text, edits)

    def reading(self, *, texts: bool) -> ChatReading:
        """Return what reads its answer."""
        return ChatReading(
            wants_usage=self.wants_usage,
            choices=self.call.choices,
            texts=texts,
            aloud="audio_output" in self.call.capabilities,
        )

    def _gone(self, admitted: Admitted) -> set[str]:
        """Return the members that go with the capabilities taken out."""
        present = self.document.members
        return {key for capability in admitted.stripped for key in _FIELDS.get(capability, ()) if key in present}

    def _bounds(self, admitted: Admitted) -> dict[str, str]:
        """Return the bounds on the answer that must be set."""
        cap = admitted.output_cap
        if cap is None:
            return {}
        members = self.document.members
        given = {key: bound for key in _BOUNDS if key in members and (bound := members[key].value) is not None}
        if not given:
            return {admitted.policy.upstream.output_cap_field: str(cap)}
        return {key: str(cap) for key, bound in given.items() if bound > cap}

    def _serial_tools(self, admitted: Admitted, gone: set[str]) -> dict[str, str]:
        if "parallel_tool_calls" in admitted.rule.capabilities or "parallel_tool_calls" in gone:
            return {}
        if self.document.value("tools") or "parallel_tool_calls" in admitted.stripped:
            return {"parallel_tool_calls": "false"}
        return {}


def compile_chat(body: bytes, client_ip: str | None, end_user_key: bytes) -> ChatRequest:
    """Read a body.

    Args:
        body: As the client sent it, decompressed.
        client_ip: Where it came from.
        end_user_key: Secret under which the end user's name is hashed.

    Raises:
        Malformed: It is not one JSON object in UTF-8, or a key stands twice in one object.
        WrongType: A field that must be understood cannot be.
    """
    document = read(body)
    messages = _messages(document)
    stream = boolean(document, "stream") or False
    wants_usage = _wants_usage(document) and stream
    bounds = [bound for key in _BOUNDS if key in document.members and (bound := whole(document, key, least=1))]
    choices = 1
    capabilities = {"streaming"} if stream else set[str]()
    if not _GOVERNED.isdisjoint(document.members):
        choices = max(whole(document, "n", least=1) or 1, whole(document, "best_of", least=1) or 1)
        capabilities.update(_asked(document, choices=choices), _asked_of_the_server(document))
    if messages[-1]["role"] == "assistant":
        capabilities.add("prefill")
    media_bytes, media, turns = 0, 0, 0
    references: list[Reference] = []
    for index, message in enumerate(messages):
        role = message["role"]
        if role in _SYSTEM_ROLES:
            capabilities.add("system_prompt")
        elif role == "user":
            turns += 1
        if "audio" in message:
            references += _spoken(message, f"messages[{index}].audio.id")
        content = message.get("content")
        if isinstance(content, list):
            for part in cast("list[Any]", content):
                capability, size = _part(part)
                references += _named(part, f"messages[{index}].content")
                if capability is not None:
                    capabilities.add(capability)
                    media += 1
                    media_bytes += size
    call = Call(
        surface=_SURFACE,
        model=model(document),
        stream=stream,
        capabilities=frozenset(capabilities),
        input_tokens=max(1, (len(body) - media_bytes) // BYTES_PER_TOKEN) + media * TOKENS_PER_MEDIUM,
        output_tokens=max(bounds, default=None),
        choices=choices,
        turns=turns,
        scannable="audio_output" not in capabilities,
        client_ip=client_ip,
        end_user=end_user((document.value("safety_identifier"), document.value("user")), end_user_key),
    )
    return ChatRequest(call, document, wants_usage, tuple(references))


def _wants_usage(document: Document) -> bool:
    options = mapping(document, "stream_options")
    return options is not None and options.get("include_usage") is True


def _named(part: Any, where: str) -> Iterator[Reference]:
    """Yield the files that a content part names instead of holding them."""
    members = cast("dict[str, Any]", part) if isinstance(part, dict) else {}
    for holder in (members, *members.values()):
        file_id = cast("dict[str, Any]", holder).get("file_id") if isinstance(holder, dict) else None
        if isinstance(file_id, str):
            yield Reference(ObjectKind.FILE, file_id, f"{where}.file_id")


def _spoken(message: dict[str, Any], where: str) -> Iterator[Reference]:
    """Yield the spoken answer that a message names instead of holding it."""
    aloud = message.get("audio")
    spoken = cast("dict[str, Any]", aloud).get("id") if isinstance(aloud, dict) else None
    if isinstance(spoken, str):
        yield Reference(ObjectKind.SPOKEN_ANSWER, spoken, where)


def _messages(document: Document) -> list[dict[str, Any]]:
    messages = document.value("messages")
    if not isinstance(messages, list) or not messages:
        raise WrongType("messages must be a non-empty array.", param="messages")
    told = cast("list[dict[str, Any]]", messages)
    for index, message in enumerate(told):
        if not isinstance(message, dict) or not isinstance(message.get("role"), str):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise WrongType(f"messages[{index}] must be an object with a role.", param=f"messages[{index}]")
        content = message.get("content")
        if content is not None and not isinstance(content, _CONTENTS):
            raise WrongType(f"messages[{index}].content must be a string or an array.", param=f"messages[{index}].content")
    return told


def _asked(document: Document, *, choices: int) -> Iterator[str]:
    if any(array(document, key) for key in ("tools", "functions")) or any(
        document.value(key) is not None for key in ("tool_choice", "function_call")
    ):
        yield "tools"
    if boolean(document, "parallel_tool_calls"):
        yield "parallel_tool_calls"
    if boolean(document, "logprobs") or any(whole(document, key, least=0) for key in ("top_logprobs", *_MORE_LOGPROBS)):
        yield "logprobs"
    if choices > 1:
        yield "n"
    if document.value("seed") is not None:
        yield "seed"
    wanted = document.value("response_format")
    plain = wanted is None or (isinstance(wanted, dict) and cast("dict[str, Any]", wanted).get("type") == "text")
    if not plain or any(document.value(key) is not None for key in _FORMS):
        yield "response_format"


def _asked_of_the_server(document: Document) -> Iterator[str]:
    if boolean(document, "store"):
        yield "stored"
    if document.value("web_search_options") is not None:
        yield "hosted_tools"
    if "audio" in (array(document, "modalities") or ()) or document.value("audio") is not None:
        yield "audio_output"


def _part(part: Any) -> tuple[str | None, int]:
    """Return the capability that a content part needs, and how many bytes of it are not prose."""
    if isinstance(part, str):
        return None, 0
    kind = cast("dict[str, Any]", part).get("type") if isinstance(part, dict) else None
    if not isinstance(kind, str):
        raise WrongType("A content part must be an object with a type.", param="messages")
    if kind in _TEXT_PARTS:
        return None, 0
    size = sum(len(text) for text in strings(cast("dict[str, Any]", part)))
    # A kind of part that no capability names is a right that no stage gives.
    return _PART_CAPABILITIES.get(kind, "other_input"), size


def _without_system(document: Document) -> list[Edit]:
    messages = cast("list[dict[str, Any]]", document.value("messages"))
    spans = elements(document.text, document.members["messages"].at)
    return without(spans, [message["role"] in _SYSTEM_ROLES for message in messages])
