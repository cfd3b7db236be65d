"""The texts of what staff are known by: ``<what>_<id>_<secret><checksum>``, like a key's and never taken for one.

``hgs_`` is a token, for the command line and the API; ``hgl_`` a link that signs in once; ``hgb_`` a browser's session; ``hga_``
an attempt to sign in.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from headgate.access.errors import AttemptOver, LinkMalformed, SessionMalformed, StaffTokenMalformed
from headgate.access.wire.checksum import is_sealed, sealed, secret_of
from headgate.kernel.errors import Unauthenticated  # noqa: TC001 - a dataclass's annotation

_BODY = "([0-7][0-9A-HJKMNP-TV-Z]{25})_[0-9A-Za-z]{39}"


@dataclass(frozen=True, slots=True)
class Text:
    """A credential's text that holds together.

    Attributes:
        id: What it is the text of.
        text: All of it; absent from ``repr``.
    """

    id: str
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Spelling:
    """How one kind of credential is spelled.

    Attributes:
        what: How its text begins.
        of: How the identifiers begin of what it is a text of.
        malformed: What is raised for a text that is none.
        said: What is said then.
    """

    what: str
    of: str
    malformed: type[Unauthenticated]
    said: str

    def mint(self, id: str, *, entropy: bytes) -> Text:
        """Return a new text.

        Args:
            id: What it is to be the text of.
            entropy: 24 bytes from the operating system's generator.

        Raises:
            ValueError: The identifier or the entropy has the wrong form.
        """
        text = sealed(f"{self.what}_{id.removeprefix(f'{self.of}_')}_{secret_of(entropy)}")
        if re.fullmatch(f"{self.what}_{_BODY}", text) is None:
            raise ValueError(f"not an identifier that begins with {self.of}_")
        return Text(id, text)

    def parse(self, text: str) -> Text:
        """Read a text.

        Raises:
            Unauthenticated: It is none, as ``malformed``; the message does not repeat it.
        """
        match = re.fullmatch(f"{self.what}_{_BODY}", text)
        if match is None or not is_sealed(text):
            raise self.malformed(
                f"This is not {self.said}: a character is missing, added or mistyped.",
                help=f"Copy all of it again; it starts with {self.what}_ and was shown once.",
            )
        return Text(f"{self.of}_{match[1]}", text)


TOKEN = Spelling("hgs", "stf", StaffTokenMalformed, "a staff token")
LINK = Spelling("hgl", "lnk", LinkMalformed, "a sign-in link")
SESSION = Spelling("hgb", "ses", SessionMalformed, "a session")
ATTEMPT = Spelling("hga", "att", AttemptOver, "an attempt to sign in")
