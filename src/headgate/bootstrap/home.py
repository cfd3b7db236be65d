"""The data directory: where everything that one installation knows lies, and who may read it.

::

    <data>/
    ├── headgate.toml      settings
    ├── headgate.sqlite    the system of record
    ├── traffic/           the exchange log: a spool per worker, then sealed segments
    ├── metrics/           what the workers count, for /metrics; made anew at every start
    ├── simulations/       plans that pages had played, for a day
    └── secrets/           0700: master.key (transcripts), pepper (API keys), ledger.key (signs checkpoints), token (yours)
"""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from headgate.kernel.errors import NotFound, Unavailable

if TYPE_CHECKING:
    from pathlib import Path

_SECRET_BYTES = 32


class NoHome(NotFound):
    """There is no installation in this directory."""

    code = "home.missing"


class HomeUnwritable(Unavailable):
    """The data directory cannot be written."""

    code = "home.unwritable"


@dataclass(frozen=True, slots=True)
class Home:
    """Paths below one data directory."""

    root: Path

    @property
    def database(self) -> Path:
        """The system of record."""
        return self.root / "headgate.sqlite"

    @property
    def traffic(self) -> Path:
        """Where the exchange log lies."""
        return self.root / "traffic"

    @property
    def metrics(self) -> Path:
        """Where the workers' numbers lie."""
        return self.root / "metrics"

    @property
    def simulations(self) -> Path:
        """Where plays of plans lie."""
        return self.root / "simulations"

    @property
    def cache(self) -> Path:
        """What was made from something else, and can be made again."""
        return self.root / "cache"

    @property
    def secrets(self) -> Path:
        """Where the keys lie; readable by the owner only."""
        return self.root / "secrets"

    @property
    def token(self) -> Path:
        """The staff token of whoever made this installation."""
        return self.secrets / "token"

    def make(self) -> None:
        """Make the directories that are absent.

        Raises:
            HomeUnwritable: The file system refuses.
        """
        try:
            for directory, mode in ((self.root, 0o700), (self.traffic, 0o700), (self.secrets, 0o700)):
                directory.mkdir(parents=True, exist_ok=True, mode=mode)
        except OSError as problem:
            raise HomeUnwritable(
                f"{self.root} cannot be written: {problem.strerror}.", help="Name another directory with --data."
            ) from None

    def must_exist(self) -> Home:
        """Return this home.

        Raises:
            NoHome: Nothing was initialised here.
        """
        if not self.database.exists():
            raise NoHome(
                f"There is no Headgate in {self.root}.", help="Run `headgate init` first, or name its directory with --data."
            )
        return self


def secret_file(path: Path) -> bytes:
    """Return the 32 random bytes kept in ``path``, making them at the first call.

    The file is created whole, readable by its owner only, so that two processes that start together agree on one.

    Raises:
        HomeUnwritable: The file can be neither read nor made, or is not 32 bytes long.
    """
    try:
        if not path.exists():
            draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
            with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(secrets.token_bytes(_SECRET_BYTES))
                file.flush()
                os.fsync(file.fileno())
            try:
                os.link(draft, path)
            except FileExistsError:
                pass  # another process was first: its secret is the secret
            finally:
                draft.unlink()
        content = path.read_bytes()
    except OSError as problem:
        raise HomeUnwritable(f"{path.name} cannot be read or made: {problem.strerror}.") from None
    if len(content) != _SECRET_BYTES:
        raise HomeUnwritable(f"{path.name} is damaged: it should hold {_SECRET_BYTES} bytes.")
    return content
