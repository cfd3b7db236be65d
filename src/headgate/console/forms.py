"""Commands as a page offers them: what each does in plain words, and what must be filled in.

Whoever may not give a command is told who may; the service refuses them all the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from headgate.kernel.actor import Permission


@dataclass(frozen=True, slots=True)
class Field:
    """Something to be filled in.

    Attributes:
        name: What it is called in the form.
        label: What it is, for people.
        kind: ``text``, ``number``, ``datetime-local``, ``email``, ``select`` or ``checks``.
        value: What stands in it at first.
        options: What can be chosen.
        help: What people should know of it.
        required: Whether it may not be left out.
    """

    name: str
    label: str
    kind: str = "text"
    value: str = ""
    options: tuple[str, ...] = ()
    help: str = ""
    required: bool = True


REASON = Field("reason", "Reason", help="It stands on the ledger for ever. No e-mail address, no credential.")


@dataclass(frozen=True, slots=True)
class Form:
    """A command.

    Attributes:
        action: Where it is sent, under the console.
        title: What it is called.
        effect: What it does, in one or two sentences.
        button: What is pressed.
        needs: The permission.
        fields: What must be filled in.
        danger: Whether the button looks like what it is.
    """

    action: str
    title: str
    effect: str
    button: str
    needs: Permission
    fields: tuple[Field, ...] = (REASON,)
    danger: bool = False
