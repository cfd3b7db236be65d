"""What a body asks for, and the same body as the upstream is to see it.

A prompt may be text, several texts, or token numbers. Each prompt is answered by itself, as often as ``n`` says, and written as
often as ``best_of`` says. Token numbers are a capability of their own: no screen can read them, so a stage must say that it
takes them. Servers of this API have names of their own for the bound on an answer, and one of them lets its own name win over
``max_tokens``; a cap is put on all of them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from headgate.gateway.model import Call
from headgate.gateway.wire.completions.reading import CompletionReading
from headgate.gateway.wire.document import Document, Edit, patched, read
from headgate.gateway.wire.fields import (
    BYTES_PER_TOKEN,
    boolean,
    end_user,
    mapping,
    model,
    strings,
    whole,
    without_surrogates,
)
from headgate.gateway.wire.prompts import prompts

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from headgate.gateway.model import Admitted

_SURFACE = "api.completions"
_DEFAULT_BOUND = 16
"""How long an answer is, in tokens, where the request does not say; the API's own default, which not every server keeps to."""
_BOUNDS = ("max_tokens", "max_completion_tokens", "max_new_tokens", "n_predict")
_FIELDS: Mapping[str, tuple[str, ...]] = {
    "logprobs": ("logprobs", "n_probs", "prompt_logprobs"),
    "n": ("n", "best_of"),
    "seed": ("seed",),
    "response_format": (
        "response_format",
        "guided_json",
        "guided_regex",
        "guided_grammar",
        "guided_choice",
        "grammar",
        "json_schema",
    ),
}
"""The fields that ask for a capability, which go when it is taken out."""
_OPAQUE = ("prompt_embeds", "multi_modal_data", "image_data")
"""Fields that stand for a prompt and that nobody here can read."""
_NOT_PROSE = frozenset({"model", "user", "safety_identifier", "stop", "stream_options", "logit_bias", *_OPAQUE})


@dataclass(frozen=True, slots=True)
class CompletionRequest:
    """A request as it was read.

    Attributes:
        call: What it asks for.
        document: The body, with where everything stands.
        wants_usage: Whether the client itself asked for usage on the stream.
        wanted: How many answers come back, for all prompts together.
    """

    call: Call
    document: Document
    wants_usage: bool
    wanted: int

    def texts(self) -> list[str]:
        """Return everything in the request that a model would read as prose, in fields of any name."""
        members = self.document.members
        found = [text for key in members if key not in _NOT_PROSE for text in strings(members[key].value)]
        return [without_surrogates(text) for text in found]

    def forwarded(self, admitted: Admitted) -> bytes:
        """Return the body for the upstream.

        Changed, and nothing else: the model's name to the upstream's; capabilities taken out; the bound on the answer where
        one must hold; ``stream_options.include_usage`` on streams, for metering.
        """
        document = self.document
        gone = {key for capability in admitted.stripped for key in _FIELDS.get(capability, ()) if key in document.members}
        wanted = self._bounds(admitted)
        upstream = admitted.policy.upstream
        if upstream.model != self.call.model:
            wanted["model"] = json.dumps(upstream.model)
        edits: list[Edit] = document.removing(gone)
        if self.call.stream and not self.wants_usage:
            if document.value("stream_options") is None:
                wanted["stream_options"] = '{"include_usage":true}'
            else:
                options = document.inner("stream_options")
                edits.append(options.setting("include_usage", "true") or options.adding({"include_usage": "true"}))
        edits += [edit for key, text in wanted.items() if (edit := document.setting(key, text)) is not None]
        fresh = {key: text for key, text in wanted.items() if key not in document.members}
        if fresh:
            edits.append(document.adding(fresh))
        return patched(document.text, edits)

    def reading(self, *, texts: bool) -> CompletionReading:
        """Return what reads its answer."""
        return CompletionReading(wants_usage=self.wants_usage, choices=self.wanted, texts=texts)

    def _bounds(self, admitted: Admitted) -> dict[str, str]:
        """Return the bounds on the answer that must be set; a request without one keeps the API's own default."""
        cap = admitted.output_cap
        if cap is None:
            return {}
        given = {key: self.document.value(key) for key in _BOUNDS}
        if all(bound is None for bound in given.values()):
            return {"max_tokens": str(min(cap, _DEFAULT_BOUND))}
        return {key: str(cap) for key, bound in given.items() if bound is not None and bound > cap}


def compile_completion(body: bytes, client_ip: str | None, end_user_key: bytes) -> CompletionRequest:
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
    stream = boolean(document, "stream") or False
    options = mapping(document, "stream_options")
    bounds = [bound for bound in (whole(document, key, least=0) for key in _BOUNDS) if bound is not None]
    choices = whole(document, "n", least=1) or 1
    written = max(choices, whole(document, "best_of", least=1) or 1)
    asked = prompts(document.value("prompt"), param="prompt")
    call = Call(
        surface=_SURFACE,
        model=model(document),
        stream=stream,
        capabilities=frozenset({*_asked(document, written=written, stream=stream), *asked.capabilities}),
        input_tokens=max(1, (len(body) - asked.opaque_bytes) // BYTES_PER_TOKEN) + asked.opaque_tokens,
        output_tokens=max(bounds, default=None),
        choices=written,
        turns=1,
        client_ip=client_ip,
        end_user=end_user((document.value("safety_identifier"), document.value("user")), end_user_key),
        prompts=asked.count,
    )
    wants_usage = stream and options is not None and options.get("include_usage") is True
    return CompletionRequest(call, document, wants_usage, asked.count * choices)


def _asked(document: Document, *, written: int, stream: bool) -> Iterator[str]:
    if stream:
        yield "streaming"
    if written > 1:
        yield "n"
    if any(document.value(key) is not None for key in _OPAQUE):
        yield "other_input"
    for capability in ("logprobs", "seed", "response_format"):
        if any(_says(document.value(key)) for key in _FIELDS[capability]):
            yield capability


def _says(value: Any) -> bool:
    """Return whether a field asks for anything: what is absent, off or plain text does not."""
    if isinstance(value, dict):
        return cast("dict[str, Any]", value).get("type") != "text"
    return value is not None and value is not False
