"""What is asked for where images are made, and what it is taken to cost before anybody has counted."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from headgate.gateway.errors import WrongType
from headgate.gateway.model import Call
from headgate.gateway.wire import form_fields
from headgate.gateway.wire.document import read
from headgate.gateway.wire.fields import (
    BYTES_PER_TOKEN,
    TOKENS_PER_MEDIUM,
    boolean,
    end_user,
    mapping,
    model,
    strings,
    whole,
    without_surrogates,
)
from headgate.gateway.wire.images.reading import ImageReading
from headgate.gateway.wire.plain import PlainForm, PlainRequest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from headgate.gateway.wire.multipart import Parts

_NAME = "api.images"
_TOKENS_PER_IMAGE = 4160
"""What a square image of high quality is counted as."""
_NOT_PROSE = frozenset({"model", "user", "safety_identifier", "size", "stream", "n"})


def compile_generation(body: bytes, client_ip: str | None, end_user_key: bytes) -> PlainRequest:
    """Read the body of a request for new images.

    Args:
        body: As the client sent it, decompressed.
        client_ip: Where it came from.
        end_user_key: Secret under which the end user's name is hashed.

    Raises:
        Malformed: It is not one JSON object in UTF-8, or a key stands twice in one object.
        WrongType: A field that must be understood cannot be.
    """
    document = read(body)
    if not isinstance(document.value("prompt"), str):
        raise WrongType("prompt must be a string.", param="prompt")
    stream = boolean(document, "stream") or False
    images = whole(document, "n", least=1) or 1
    frames = whole(document, "frame_count", least=1) or 1
    drawn = mapping(document, "svg") or {}
    prose = tuple(
        without_surrogates(text)
        for key, member in document.members.items()
        if key not in _NOT_PROSE
        for text in strings(member.value)
    )
    call = Call(
        surface=_NAME,
        model=model(document),
        stream=stream,
        capabilities=frozenset(_asked(stream=stream, images=images, second_model=drawn.get("model"))),
        input_tokens=max(1, len(body) // BYTES_PER_TOKEN),
        output_tokens=0,
        choices=0,
        turns=0,
        client_ip=client_ip,
        end_user=end_user((document.value("safety_identifier"), document.value("user")), end_user_key),
        media_tokens=images * frames * _TOKENS_PER_IMAGE,
        scannable=False,
    )
    return PlainRequest(call, document, prose, partial(ImageReading, images=images), {"n": ("n",)})


def compile_edit(parts: Parts, client_ip: str | None, end_user_key: bytes) -> PlainForm:
    """Read the form of a request to change images.

    Args:
        parts: The form.
        client_ip: Where it came from.
        end_user_key: Secret under which the end user's name is hashed.

    Raises:
        WrongType: A field that must be understood cannot be.
    """
    if parts.text("prompt") is None:
        raise WrongType("prompt must be a string.", param="prompt")
    return _compile_form(parts, client_ip, end_user_key)


def compile_variation(parts: Parts, client_ip: str | None, end_user_key: bytes) -> PlainForm:
    """Read the form of a request for images like another.

    Args:
        parts: The form.
        client_ip: Where it came from.
        end_user_key: Secret under which the end user's name is hashed.

    Raises:
        WrongType: A field that must be understood cannot be.
    """
    return _compile_form(parts, client_ip, end_user_key)


def _compile_form(parts: Parts, client_ip: str | None, end_user_key: bytes) -> PlainForm:
    pictures = parts.named("image")
    if not pictures or any(part.text is not None for part in pictures):
        raise WrongType("image must be a file, or an array of files.", param="image")
    stream = form_fields.boolean(parts, "stream") or False
    images = form_fields.whole(parts, "n", least=1) or 1
    frames = form_fields.whole(parts, "frame_count", least=1) or 1
    second_model = next((part for part in parts.named("svg") if part.name != "svg[reasoning][effort]"), None)
    prose = form_fields.prose(parts, passing_over=_NOT_PROSE)
    files = sum(part.text is None for part in parts.parts)
    call = Call(
        surface=_NAME,
        model=form_fields.model(parts),
        stream=stream,
        capabilities=frozenset({"image_input", *_asked(stream=stream, images=images, second_model=second_model)}),
        input_tokens=max(1, sum(map(len, prose)) // BYTES_PER_TOKEN) + files * TOKENS_PER_MEDIUM,
        output_tokens=0,
        choices=0,
        turns=0,
        client_ip=client_ip,
        end_user=end_user((parts.text("safety_identifier"), parts.text("user")), end_user_key),
        media_tokens=images * frames * _TOKENS_PER_IMAGE,
        scannable=False,
    )
    return PlainForm(call, parts, prose, partial(ImageReading, images=images), {"n": (("n", None),)})


def _asked(*, stream: bool, images: int, second_model: Any) -> Iterator[str]:
    if stream:
        yield "streaming"
    if images > 1:
        yield "n"
    if second_model is not None:
        yield "hosted_tools"  # the upstream would have another model draw, which nobody has released here
