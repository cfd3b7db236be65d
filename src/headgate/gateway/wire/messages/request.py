"""What a body asks for, and the same body as the upstream is to see it.

Two things are otherwise than with OpenAI's surfaces. A bound on the answer is required. And tools are called in parallel unless
the request forbids it: silence asks for nothing, and where the stage allows tools and not parallel calls, the body is forwarded
with ``disable_parallel_tool_use``. Thoughts and their signatures go through as they came, like everything that is not named here.

Counting tokens reads the same body by the same rules, since it shows how the model reads what a stage may not allow to be
sent; it asks for no answer.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

from headgate.gateway.errors import WrongType
from headgate.gateway.model import Call, ObjectKind
from headgate.gateway.wire.document import Document, Edit, elements, inside, patched, read, without
from headgate.gateway.wire.fields import (
    BYTES_PER_TOKEN,
    TOKENS_PER_MEDIUM,
    array,
    boolean,
    end_user,
    mapping,
    model,
    whole,
    without_surrogates,
)
from headgate.gateway.wire.messages.content import TOOL_CHANGES, Asked, is_own_tool, prose
from headgate.gateway.wire.messages.reading import CountReading, MessagesReading
from headgate.gateway.wire.surface import Reference

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from headgate.gateway.model import Admitted, StoredObject

SURFACE = "api.messages"

_BOUND = "max_tokens"
_PROSE = ("system", "messages", "tools", "output_format", "output_config", "context_management", "compaction")
_LEAST_BUDGET = 1024
"""The smallest budget that thinking may be given; it must be below the bound on the answer."""
_SERIAL = "disable_parallel_tool_use"
_MOST_COUNTED = 2**31


@dataclass(frozen=True, slots=True)
class MessagesRequest:
    """A request for a message, or for the count of its tokens, as it was read.

    Attributes:
        call: What it asks for.
        document: The body, with where everything stands.
        references: What it names that an upstream keeps; each must be the caller's own.
        counting: Whether only the tokens are to be counted.
    """

    call: Call
    document: Document
    references: tuple[Reference, ...]
    counting: bool

    def texts(self) -> list[str]:
        """Return everything in the request that a model would read as prose, for a screen."""
        return [without_surrogates(text) for key in _PROSE for text in prose(self.document.value(key))]

    def continuing(self, kept: Sequence[StoredObject]) -> MessagesRequest:
        """Return the same request, counting what it goes on from.

        Args:
            kept: What its references name.
        """
        before = [stored for stored in kept if stored.kind is ObjectKind.MESSAGE]
        turns = sum(_count(stored, "turns") for stored in before)
        tokens = sum(_count(stored, "tokens") for stored in before)
        call = replace(self.call, turns=self.call.turns + turns, input_tokens=self.call.input_tokens + tokens)
        return replace(self, call=call)

    def forwarded(self, admitted: Admitted) -> bytes:
        """Return the body for the upstream.

        Changed, and nothing else: the model's name to the upstream's; capabilities taken out; the bound on the answer where
        the stage sets a lower one, and the budget for thinking with it, which must stay below; parallel calls of tools, where
        the stage allows tools and not those.
        """
        document = self.document
        stripped = frozenset(admitted.stripped)
        gone, edits = _taken_out(document, stripped, is_hosted="hosted_tools" in self.call.capabilities)
        wanted = self._choice(admitted, gone)
        upstream = admitted.policy.upstream
        if upstream.model != self.call.model:
            wanted["model"] = json.dumps(upstream.model)
        if not self.counting and admitted.output_cap is not None:
            edits += self._bounded(admitted.output_cap)
        if "tool_choice" not in gone | wanted.keys() and "parallel_tool_calls" not in admitted.rule.capabilities:
            edits += self._in_turn()
        edits += document.removing(gone)
        edits += [edit for key, text in wanted.items() if (edit := document.setting(key, text)) is not None]
        fresh = {key: text for key, text in wanted.items() if key not in document.members}
        if fresh:
            edits.append(document.adding(fresh))
        return patched(document.text, edits)

    def reading(self, *, texts: bool) -> MessagesReading | CountReading:
        """Return what reads its answer."""
        if self.counting:
            return CountReading()
        kept = {"turns": self.call.turns, "tokens": self.call.input_tokens} if "stored" in self.call.capabilities else None
        return MessagesReading(model=self.call.model, texts=texts, kept=kept)

    def _bounded(self, cap: int) -> Iterator[Edit]:
        """Yield the edits that hold the answer to ``cap`` tokens."""
        given: Any = self.document.value(_BOUND)
        if not isinstance(given, int) or given <= cap:
            return
        edit = self.document.setting(_BOUND, str(cap))
        if edit is not None:
            yield edit
        thinking = mapping(self.document, "thinking") or {}
        budget: Any = thinking.get("budget_tokens")
        # A budget that was above the bound already is one for thinking between calls of tools, to which the rule does not apply.
        if isinstance(budget, int) and cap <= budget < given and cap > _LEAST_BUDGET:
            edit = self.document.inner("thinking").setting("budget_tokens", str(cap - 1))
            if edit is not None:
                yield edit

    def _choice(self, admitted: Admitted, gone: set[str]) -> dict[str, str]:
        """Return the choice of tools that must be set whole: where there is none, or the one there is may name what has gone."""
        choice = mapping(self.document, "tool_choice")
        if gone & {"tools", "tool_choice"} or not self.document.value("tools") or (choice or {}).get("type") == "none":
            return {}
        in_turn = "parallel_tool_calls" not in admitted.rule.capabilities
        if (choice is None and in_turn) or (choice is not None and "tools" in admitted.stripped):
            return {"tool_choice": json.dumps({"type": "auto", **({_SERIAL: True} if in_turn else {})}, separators=(",", ":"))}
        return {}

    def _in_turn(self) -> Iterator[Edit]:
        """Yield the edits that have the choice there is call tools one at a time."""
        choice = mapping(self.document, "tool_choice")
        if choice is not None and choice.get("type") != "none" and choice.get(_SERIAL) is not True:
            within = self.document.inner("tool_choice")
            yield within.setting(_SERIAL, "true") or within.adding({_SERIAL: "true"})


def compile_messages(body: bytes, client_ip: str | None, end_user_key: bytes) -> MessagesRequest:
    """Read a request for a message.

    Args:
        body: As the client sent it, decompressed.
        client_ip: Where it came from.
        end_user_key: Secret under which the end user's name is hashed.

    Raises:
        Malformed: It is not one JSON object in UTF-8, or a key stands twice in one object.
        WrongType: A field that must be understood cannot be.
    """
    return _compiled(body, client_ip, end_user_key, counting=False)


def compile_count(body: bytes, client_ip: str | None, end_user_key: bytes) -> MessagesRequest:
    """Read a request for the count of a message's tokens, as ``compile_messages`` reads one for the message."""
    return _compiled(body, client_ip, end_user_key, counting=True)


def _compiled(body: bytes, client_ip: str | None, end_user_key: bytes, *, counting: bool) -> MessagesRequest:
    document = read(body)
    asked = Asked()
    messages = array(document, "messages")
    if not messages:
        raise WrongType("messages must be a non-empty array.", param="messages")
    for index, message in enumerate(messages):
        asked.message(message, f"messages[{index}]")
    if _last_speaker(messages) == "assistant":
        asked.capabilities.add("prefill")
    asked.system(document.value("system"))
    asked.tools(array(document, "tools"), "tools")
    stream = boolean(document, "stream") or False
    asked.capabilities.update(_rights(document, stream=stream and not counting))
    if document.value("tool_choice") is not None and "hosted_tools" not in asked.capabilities:
        asked.capabilities.add("tools")
    asked.references.extend(_kept(document))
    bound = whole(document, _BOUND, least=0)
    if bound is None and not counting:
        raise WrongType("max_tokens is required.", param=_BOUND)
    call = Call(
        surface=SURFACE,
        model=model(document),
        stream=stream and not counting,
        capabilities=frozenset(asked.capabilities),
        input_tokens=max(1, (len(body) - asked.media_bytes) // BYTES_PER_TOKEN) + asked.media * TOKENS_PER_MEDIUM,
        # Whoever counts asks for no answer: nothing is reserved for one, and the bound is of no matter.
        output_tokens=0 if counting else bound,
        choices=0 if counting else 1,
        turns=asked.turns,
        client_ip=client_ip,
        end_user=end_user(((mapping(document, "metadata") or {}).get("user_id"),), end_user_key),
    )
    return MessagesRequest(call, document, tuple(asked.references), counting)


def _last_speaker(messages: list[Any]) -> str:
    """Return who spoke last, but for the system."""
    return next((message["role"] for message in reversed(messages) if message["role"] in {"user", "assistant"}), "user")


def _rights(document: Document, *, stream: bool) -> Iterator[str]:
    """Yield what the fields beside messages and tools ask for."""
    if stream:
        yield "streaming"
    if (mapping(document, "tool_choice") or {}).get(_SERIAL) is False:
        yield "parallel_tool_calls"
    thinking = mapping(document, "thinking")
    if thinking is not None and thinking.get("type") != "disabled":
        yield "thinking"
    config = mapping(document, "output_config") or {}
    if document.value("output_format") is not None or config.get("format") is not None:
        yield "response_format"
    if array(document, "mcp_servers") or document.value("container") is not None:
        yield "hosted_tools"
    if document.value("fallbacks"):
        yield "other_models"  # the server would answer with a model that nobody has admitted
    if mapping(document, "thread") is not None:
        yield "stored"


def _kept(document: Document) -> Iterator[Reference]:
    """Yield what the fields beside messages name that an upstream keeps."""
    container: Any = document.value("container")
    name: Any = cast("dict[str, Any]", container).get("id") if isinstance(container, dict) else container
    if isinstance(name, str) and name:
        yield Reference(ObjectKind.CONTAINER, name, "container")
    before: Any = (mapping(document, "thread") or {}).get("previous_message_id")
    if isinstance(before, str) and before:
        yield Reference(ObjectKind.MESSAGE, before, "thread.previous_message_id")


def _taken_out(document: Document, stripped: frozenset[str], *, is_hosted: bool) -> tuple[set[str], list[Edit]]:
    """Return the members that go with the capabilities taken out, and the edits within those that stay.

    Args:
        document: The body.
        stripped: The capabilities.
        is_hosted: Whether tools of the server's remain.
    """
    gone: set[str] = set()
    edits = list(_messages_without(document, stripped))
    if "system_prompt" in stripped:
        gone.add("system")
    if "tools" in stripped:
        tools = cast("list[dict[str, Any]]", document.value("tools") or [])
        own = [is_own_tool(tool) for tool in tools]
        if all(own):
            gone.add("tools")
        else:
            edits += without(elements(document.text, document.members["tools"].at), own)
        if not is_hosted:
            gone.add("tool_choice")
    if "response_format" in stripped:
        gone.add("output_format")
        if mapping(document, "output_config") is not None:
            edits += document.inner("output_config").removing({"format"})
    return gone, edits


def _messages_without(document: Document, stripped: frozenset[str]) -> Iterator[Edit]:
    """Yield the edits that take the system's messages, or changes of tools, out of the conversation."""
    if stripped.isdisjoint({"system_prompt", "tools"}):
        return
    messages = cast("list[dict[str, Any]]", document.value("messages"))
    gone = [_goes(message, stripped) for message in messages]
    spans = elements(document.text, document.members["messages"].at)
    yield from without(spans, gone)
    if "tools" in stripped:
        for message, at, is_gone in zip(messages, spans, gone, strict=True):
            content: Any = message.get("content")
            if not is_gone and isinstance(content, list):
                changes = [_is_change(block) for block in cast("list[dict[str, Any]]", content)]
                if any(changes):
                    yield from without(elements(document.text, inside(document.text, at).members["content"].at), changes)


def _goes(message: Mapping[str, Any], stripped: frozenset[str]) -> bool:
    if message["role"] in {"user", "assistant"}:
        return False
    if "system_prompt" in stripped:
        return True
    content: Any = message.get("content")
    blocks = cast("list[dict[str, Any]]", content) if isinstance(content, list) else []
    return bool(blocks) and all(map(_is_change, blocks))


def _is_change(block: Mapping[str, Any]) -> bool:
    return block.get("type") in TOOL_CHANGES


def _count(stored: StoredObject, key: str) -> int:
    value: Any = stored.detail.get(key)
    return value if isinstance(value, int) and 0 <= value < _MOST_COUNTED else 0
