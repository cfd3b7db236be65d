"""What a body asks for, and the same body as the upstream is to see it.

Upstreams keep a response unless they are told not to. Where the stage lets nothing be kept, a body that does not say is
forwarded with ``store: false``: silence asks for nothing. To name what is kept already, or to demand that something be kept, is
to ask for it. Fields that no capability governs go through unread.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

from headgate.gateway.errors import WrongType
from headgate.gateway.model import Call, ObjectKind
from headgate.gateway.wire.document import Document, Edit, elements, patched, read, without
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
from headgate.gateway.wire.responses.asked import (
    SYSTEM_ROLES,
    Asked,
    brings_own_tools,
    is_own_tool,
    kind_of,
    prose,
    wants_format,
)
from headgate.gateway.wire.responses.reading import ResponsesReading

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from headgate.gateway.model import Admitted, StoredObject
    from headgate.gateway.wire.surface import Reference

SURFACE = "api.responses"

_BOUND = "max_output_tokens"
LOGPROBS = "message.output_text.logprobs"
_PICTURES = "code_interpreter_call.outputs"
"""Puts the pictures that code drew into the answer."""
_MOST_TURNS = 2**31
_PROSE = ("instructions", "input", "tools", "prompt", "text")


@dataclass(frozen=True, slots=True)
class ResponsesRequest:
    """A responses request as it was read.

    Attributes:
        call: What it asks for.
        document: The body, with where everything stands.
        store: Whether the response shall be kept, as far as the body says.
        references: What it names that an upstream keeps; each must be the caller's own.
    """

    call: Call
    document: Document
    store: bool | None
    references: tuple[Reference, ...]

    def texts(self) -> list[str]:
        """Return everything in the request that a model would read as prose, for a screen."""
        return [without_surrogates(text) for key in _PROSE for text in prose(self.document.value(key))]

    def continuing(self, kept: Sequence[StoredObject]) -> ResponsesRequest:
        """Return the same request, counting what it goes on from.

        Args:
            kept: What its references name.
        """
        turns = sum(_count(stored, "turns") for stored in kept if stored.kind is ObjectKind.RESPONSE)
        tokens = sum(_count(stored, "tokens") for stored in kept if stored.kind is ObjectKind.RESPONSE)
        call = replace(self.call, turns=self.call.turns + turns, input_tokens=self.call.input_tokens + tokens)
        return replace(self, call=call)

    def forwarded(self, admitted: Admitted) -> bytes:
        """Return the body for the upstream.

        Changed, and nothing else: the model's name to the upstream's; capabilities taken out; the bound on the answer where
        the stage sets one; ``store: false`` where nothing may be kept; ``parallel_tool_calls: false`` where tools are allowed
        and parallel calls are not, because upstreams take silence for a yes.
        """
        document = self.document
        stripped = frozenset(admitted.stripped)
        gone, edits = _taken_out(document, stripped)
        wanted = self._bound(admitted)
        upstream = admitted.policy.upstream
        if upstream.model != self.call.model:
            wanted["model"] = json.dumps(upstream.model)
        if self.store is None and "stored" not in admitted.rule.capabilities:
            wanted["store"] = "false"
        if self._calls_in_turn(admitted, gone):
            wanted["parallel_tool_calls"] = "false"
        edits += document.removing(gone)
        edits += [edit for key, text in wanted.items() if (edit := document.setting(key, text)) is not None]
        fresh = {key: text for key, text in wanted.items() if key not in document.members}
        if fresh:
            edits.append(document.adding(fresh))
        return patched(document.text, edits)

    def reading(self, *, texts: bool) -> ResponsesReading:
        """Return what reads its answer."""
        return ResponsesReading(
            texts=texts,
            store=self.store is not False,
            turns=self.call.turns,
            background="background" in self.call.capabilities,
        )

    def _bound(self, admitted: Admitted) -> dict[str, str]:
        cap = admitted.output_cap
        given = self.call.output_tokens
        return {} if cap is None or (given is not None and given <= cap) else {_BOUND: str(cap)}

    def _calls_in_turn(self, admitted: Admitted, gone: set[str]) -> bool:
        if "parallel_tool_calls" in admitted.rule.capabilities or "parallel_tool_calls" in gone:
            return False
        asks_tools = not self.call.capabilities.isdisjoint({"tools", "hosted_tools"})
        return asks_tools or "parallel_tool_calls" in admitted.stripped


def compile_responses(body: bytes, client_ip: str | None, end_user_key: bytes) -> ResponsesRequest:
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
    asked = Asked()
    asked.input(document.value("input"))
    asked.tools(array(document, "tools"), "tools")
    _kept(document, asked)
    stream = boolean(document, "stream") or False
    store = boolean(document, "store")
    asked.capabilities.update(_rights(document, stream=stream, store=store))
    call = Call(
        surface=SURFACE,
        model=model(document),
        stream=stream,
        capabilities=frozenset(asked.capabilities),
        input_tokens=max(1, (len(body) - asked.media_bytes) // BYTES_PER_TOKEN) + asked.media * TOKENS_PER_MEDIUM,
        output_tokens=whole(document, _BOUND, least=1),
        choices=1,
        turns=asked.turns,
        client_ip=client_ip,
        end_user=end_user((document.value("safety_identifier"), document.value("user")), end_user_key),
        scannable=not asked.pictures and _PICTURES not in (array(document, "include") or ()),
    )
    return ResponsesRequest(call, document, store, tuple(asked.references))


def _rights(document: Document, *, stream: bool, store: bool | None) -> Iterator[str]:
    """Yield what the fields beside input and tools ask for."""
    if stream:
        yield "streaming"
    if store:
        yield "stored"
    if boolean(document, "background"):
        yield "background"
        yield "stored"
    if document.value("seed") is not None:
        yield "seed"
    if boolean(document, "parallel_tool_calls"):
        yield "parallel_tool_calls"
    yield from _chosen(document.value("tool_choice"))
    yield from _worded(document)


def _worded(document: Document) -> Iterator[str]:
    """Yield what is asked of the wording: instructions, a form, thoughts, probabilities."""
    instructions = document.value("instructions")
    if instructions is not None and not isinstance(instructions, str):
        raise WrongType("instructions must be a string.", param="instructions")
    if instructions:
        yield "system_prompt"
    if wants_format(mapping(document, "text")):
        yield "response_format"
    reasoning = mapping(document, "reasoning") or {}
    include = array(document, "include") or []
    if any(reasoning.get(key) is not None for key in ("summary", "generate_summary")) or any(
        isinstance(name, str) and name.startswith("reasoning.") for name in include
    ):
        yield "thinking"
    if whole(document, "top_logprobs", least=0) or LOGPROBS in include:
        yield "logprobs"


def _chosen(choice: Any) -> Iterator[str]:
    """Yield what a tool choice asks for; to leave it to the model asks for nothing."""
    if choice is None or choice in ("auto", "none"):
        return
    if not isinstance(choice, dict):
        yield "tools"
        return
    members = cast("dict[str, Any]", choice)
    if members.get("type") == "allowed_tools":
        tools: Any = members.get("tools")
        for tool in cast("list[Any]", tools) if isinstance(tools, list) else []:
            yield "tools" if is_own_tool(tool) else "hosted_tools"
    else:
        yield "tools" if is_own_tool(members) else "hosted_tools"


def _kept(document: Document, asked: Asked) -> None:
    """Take in what the body names that an upstream keeps."""
    previous = document.value("previous_response_id")
    if previous is not None:
        if not isinstance(previous, str):
            raise WrongType("previous_response_id must be a string.", param="previous_response_id")
        asked.capabilities.add("stored")
        asked.refer(ObjectKind.RESPONSE, previous, "previous_response_id")
    compared = (mapping(document, "prompt_cache_options") or {}).get("comparison_response_id")
    if compared is not None:
        asked.capabilities.add("stored")
        asked.refer(ObjectKind.RESPONSE, compared, "prompt_cache_options.comparison_response_id")
    conversation = document.value("conversation")
    if conversation is not None:
        name: Any = cast("dict[str, Any]", conversation).get("id") if isinstance(conversation, dict) else conversation
        if not isinstance(name, str):
            raise WrongType("conversation must be an identifier.", param="conversation")
        asked.capabilities.add("stored")
        asked.refer(None, name, "conversation")
    prompt = mapping(document, "prompt")
    if prompt is not None:
        asked.capabilities.add("stored")
        variables: Any = prompt.get("variables")
        if isinstance(variables, dict):
            asked.content(list(cast("dict[str, Any]", variables).values()), "prompt.variables")
        asked.named_in(variables, "prompt.variables")


def _taken_out(document: Document, stripped: frozenset[str]) -> tuple[set[str], list[Edit]]:
    """Return the members that go with the capabilities taken out, and the edits within the members that stay."""
    present = document.members
    gone: set[str] = set()
    edits: list[Edit] = []
    if "system_prompt" in stripped:
        gone.add("instructions")
    if "seed" in stripped:
        gone.add("seed")
    if "logprobs" in stripped:
        gone.add("top_logprobs")
        edits += _without_some(document, "include", lambda name: name == LOGPROBS)
    if "response_format" in stripped and wants_format(document.value("text")):
        edits += document.inner("text").removing({"format"})
    if "tools" in stripped:
        gone.add("tool_choice")
        tools: list[Any] = document.value("tools") or []
        if all(map(is_own_tool, tools)):
            gone |= {"tools", "parallel_tool_calls"}
        else:
            edits += _without_some(document, "tools", is_own_tool)
    edits += _without_some(document, "input", lambda item: _goes(item, stripped))
    return {key for key in gone if key in present}, edits


def _goes(item: Any, stripped: frozenset[str]) -> bool:
    """Return whether an item of the input goes with the capabilities taken out."""
    members = cast("dict[str, Any]", item)
    return (
        ("system_prompt" in stripped and kind_of(item) == "message" and members.get("role") in SYSTEM_ROLES)
        or ("tools" in stripped and brings_own_tools(item))
        or ("response_format" in stripped and kind_of(item) == "configuration_update" and wants_format(members.get("text")))
    )


def _without_some(document: Document, key: str, goes: Callable[[Any], bool]) -> list[Edit]:
    value: Any = document.value(key)
    if not isinstance(value, list):
        return []
    going = [goes(element) for element in cast("list[Any]", value)]
    return without(elements(document.text, document.members[key].at), going) if any(going) else []


def _count(stored: StoredObject, key: str) -> int:
    value: Any = stored.detail.get(key)
    return value if isinstance(value, int) and 0 <= value < _MOST_TURNS else 0
