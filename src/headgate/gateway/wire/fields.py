"""Fields of a request as every surface reads them: what must be understood is checked, what must not be lost is left alone."""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING, Any, cast

from headgate.gateway.errors import WrongType

if TYPE_CHECKING:
    from collections.abc import Iterator

    from headgate.gateway.wire.document import Document

BYTES_PER_TOKEN = 3
"""What a token of prose is taken to be at least, before anybody has counted."""
TOKENS_PER_MEDIUM = 1500
"""What an image, a sound or a file is taken to be."""


def model(document: Document) -> str:
    """Return the model that is asked for.

    Raises:
        WrongType: It is not a name.
    """
    value = document.value("model")
    if not isinstance(value, str) or not value:
        raise WrongType("model must be a non-empty string.", param="model")
    return value


def boolean(document: Document, key: str) -> bool | None:
    """Return a member that must be true, false, null or absent.

    Raises:
        WrongType: It is something else.
    """
    value = document.value(key)
    if value is not None and not isinstance(value, bool):
        raise WrongType(f"{key} must be true or false.", param=key)
    return value


def whole(document: Document, key: str, *, least: int) -> int | None:
    """Return a member that must be a whole number of at least ``least`` and of sane size, null or absent.

    Raises:
        WrongType: It is something else.
    """
    value = document.value(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value < 2**31:
        raise WrongType(f"{key} must be a whole number, at least {least}.", param=key)
    return value


def array(document: Document, key: str) -> list[Any] | None:
    """Return a member that must be an array, null or absent.

    Raises:
        WrongType: It is something else.
    """
    value = document.value(key)
    if value is not None and not isinstance(value, list):
        raise WrongType(f"{key} must be an array.", param=key)
    return cast("list[Any] | None", value)


def mapping(document: Document, key: str) -> dict[str, Any] | None:
    """Return a member that must be an object, null or absent.

    Raises:
        WrongType: It is something else.
    """
    value = document.value(key)
    if value is not None and not isinstance(value, dict):
        raise WrongType(f"{key} must be an object.", param=key)
    return cast("dict[str, Any] | None", value)


def end_user(names: tuple[Any, ...], key: bytes) -> str | None:
    """Return the keyed hash of the first name that is one.

    Args:
        names: What the fields that may name an end user hold, the most specific first.
        key: Secret under which names are hashed.
    """
    for name in names:
        if isinstance(name, str) and name:
            return hmac.new(key, name.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()[:32]
    return None


def strings(value: Any, *, passing_over: frozenset[str] = frozenset()) -> Iterator[str]:
    """Yield every string in a value, except under the keys passed over. Not recursive: depth is the client's choice."""
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, str):
            yield item
        elif isinstance(item, list):
            waiting.extend(reversed(cast("list[Any]", item)))
        elif isinstance(item, dict):
            members = cast("dict[str, Any]", item)
            waiting.extend(members[key] for key in reversed(members) if key not in passing_over)


def without_surrogates(text: str) -> str:
    """Return text that every reader can read: JSON can escape half a character; no screen can read one."""
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
