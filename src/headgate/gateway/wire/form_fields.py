"""Fields of a form as every surface reads them. A form holds only text, so each kind has one spelling here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headgate.gateway.errors import WrongType

if TYPE_CHECKING:
    from headgate.gateway.wire.multipart import Parts

_BOOLEANS = {"true": True, "false": False}
_MOST_DIGITS = 9


def model(parts: Parts) -> str:
    """Return the model that is asked for.

    Raises:
        WrongType: It is not a name.
    """
    name = parts.text("model")
    if not name:
        raise WrongType("model must be a non-empty string.", param="model")
    return name


def boolean(parts: Parts, name: str) -> bool | None:
    """Return a field that must be ``true``, ``false`` or absent.

    Raises:
        WrongType: It is something else.
    """
    text = parts.text(name)
    if text is None:
        return None
    value = _BOOLEANS.get(text.lower())
    if value is None:
        raise WrongType(f"{name} must be true or false.", param=name)
    return value


def whole(parts: Parts, name: str, *, least: int) -> int | None:
    """Return a field that must be a whole number of at least ``least``, or absent.

    Raises:
        WrongType: It is something else.
    """
    text = parts.text(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) <= _MOST_DIGITS) or int(text) < least:
        raise WrongType(f"{name} must be a whole number, at least {least}.", param=name)
    return int(text)


def prose(parts: Parts, *, passing_over: frozenset[str]) -> tuple[str, ...]:
    """Return the text of every field, except those passed over by their names without brackets."""
    return tuple(part.text for part in parts.parts if part.text and part.base not in passing_over)
