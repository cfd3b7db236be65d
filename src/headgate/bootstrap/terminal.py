"""Which installation a command works on, and who sits at the terminal.

The directory comes from ``--data``, else from ``HEADGATE_DATA``, else it is ``var`` here. The person is known by the staff
token in ``HEADGATE_TOKEN``, else by the one that ``headgate init`` left in the directory for whoever can read it.
"""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

from headgate.bootstrap.home import Home
from headgate.bootstrap.settings import Settings, load
from headgate.kernel.errors import Unauthenticated

if TYPE_CHECKING:
    from headgate.bootstrap.wiring import House
    from headgate.kernel.actor import Actor

DATA = "HEADGATE_DATA"
TOKEN = "HEADGATE_TOKEN"  # noqa: S105 - the name of a variable
DEFAULT = Path("var")


class NoToken(Unauthenticated):
    """A command that acts on an installation was called by nobody in particular."""

    code = "staff.no_token"


class Terminal:
    """One run of the command line; opens the house when a verb first asks for it.

    Attributes:
        directory: The data directory.
    """

    def __init__(self) -> None:
        self.directory = Path(os.environ.get(DATA) or DEFAULT).resolve()
        self._house: House | None = None

    @property
    def home(self) -> Home:
        """The installation's directory."""
        return Home(self.directory)

    def settings(self, **given: object) -> Settings:
        """Return the settings, with what this command was given."""
        return load(self.directory, os.environ, **given)

    def house(self) -> House:
        """Return the house over an existing installation.

        Raises:
            NoHome: There is none in the directory.
        """
        if self._house is None:
            wiring = importlib.import_module("headgate.bootstrap.wiring")  # most of Headgate, and not every verb needs it
            house: House = wiring.open_house(self.home.must_exist(), self.settings())
            self._house = house
        return self._house

    def actor(self) -> Actor:
        """Return who sits at the terminal.

        Raises:
            NoToken: There is no token to be known by.
            Unauthenticated: Nobody is known by it.
        """
        return self.house().access.authenticate_staff(self.token())

    def token(self) -> str:
        """Return the token that this terminal shows.

        Raises:
            NoToken: There is none.
        """
        if text := os.environ.get(TOKEN):
            return text
        try:
            return self.home.token.read_text("ascii").strip()
        except OSError:
            raise NoToken(
                "Headgate does not know who you are.",
                help=f"Put your staff token into {TOKEN}; somebody who manages staff can give you one (headgate staff add).",
            ) from None

    def close(self) -> None:
        """Let go of what was opened."""
        if self._house is not None:
            self._house.close()
            self._house = None
