"""Keys: one per UTC day for the bodies of that day's exchanges, each wrapped by one master key.

A body is sealed with AES-256-GCM under the key of the day on which its exchange was admitted, bound to the exchange and
to its direction, so that a stored body can be neither altered nor moved to another exchange unnoticed. Nonces are random;
a day's key may seal 2**32 bodies before two nonces are likely enough to meet to matter (NIST SP 800-38D, 8.3), which is
49,000 a second.

Day keys stand in the system of record, wrapped with AES-256-GCM by a master key that stands in a file of its own: neither
a copy of the database nor a copy of the spools opens anything alone. Destroying a day's wrapped key makes that day's
bodies unreadable wherever copies of them lie, except where an older copy of the database *and* the master key lie too: keep
backups of the database no longer than transcripts may be kept.
"""

from __future__ import annotations

import os
import secrets
import stat
import threading
from datetime import UTC, date, datetime
from enum import Enum
from typing import TYPE_CHECKING

import sqlalchemy as sa
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy.exc import IntegrityError

from headgate.kernel.clock import Clock, to_us
from headgate.traffic.errors import ContentDestroyed, ContentTampered, MasterKeyUnusable
from headgate.traffic.store import day_keys, reaching

if TYPE_CHECKING:
    from pathlib import Path

    from headgate.kernel.ids import ExchangeId

_KEY_BYTES = 32
NONCE_BYTES = 12
_CACHED_DAYS = 4


class Direction(Enum):
    """Which of an exchange's two bodies."""

    REQUEST = "request"
    RESPONSE = "response"


def day_of(instant: datetime) -> date:
    """Return the UTC day of an instant."""
    return instant.astimezone(UTC).date()


class DayKey:
    """The key of one day, able to seal and open bodies, never shown.

    Args:
        day: The UTC day.
        key: 32 bytes.
    """

    __slots__ = ("_cipher", "day")

    def __init__(self, day: date, key: bytes) -> None:
        self.day = day
        self._cipher = AESGCM(key)

    def __repr__(self) -> str:
        return f"DayKey({self.day})"

    def seal(self, body: bytes, exchange_id: ExchangeId, direction: Direction, nonce: bytes | None = None) -> bytes:
        """Return nonce, ciphertext and tag: 28 bytes more than ``body``.

        Args:
            body: What nobody else shall read.
            exchange_id: Whose it is.
            direction: Which of the exchange's bodies.
            nonce: Twelve fresh bytes from the operating system, where the caller draws for many; never used before or again.
        """
        if nonce is None:
            nonce = os.urandom(NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, body, _bound_to(exchange_id, direction))

    def open(self, sealed: bytes, exchange_id: ExchangeId, direction: Direction) -> bytes:
        """Return the body.

        Raises:
            ContentTampered: These are not the bytes that were sealed for this exchange and direction.
        """
        try:
            return self._cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], _bound_to(exchange_id, direction))
        except (InvalidTag, ValueError) as error:
            raise ContentTampered(
                f"The stored {direction.value} of {exchange_id} is not what was written; it is withheld.",
                help="Compare the spool or segment with a backup, and open an incident.",
            ) from error


class MasterKey:
    """The key that wraps the day keys; it is kept in a file that only its owner can read.

    Args:
        key: 32 bytes.
    """

    __slots__ = ("_cipher",)

    def __init__(self, key: bytes) -> None:
        if len(key) != _KEY_BYTES:
            raise ValueError(f"a master key has {_KEY_BYTES} bytes")
        self._cipher = AESGCM(key)

    def __repr__(self) -> str:
        return "MasterKey(…)"

    @classmethod
    def load_or_create(cls, path: Path) -> MasterKey:
        """Return the key in the file at ``path``, which is made with a fresh key when it is absent.

        Raises:
            MasterKeyUnusable: The file cannot be read or made, is malformed, or can be read by others.
        """
        try:
            if not path.exists():
                _create(path)
            return cls._load(path)
        except OSError as error:
            raise MasterKeyUnusable(f"The master key's file {path} cannot be used: {error.strerror}.") from error

    @classmethod
    def _load(cls, path: Path) -> MasterKey:
        mode = path.stat().st_mode
        if mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise MasterKeyUnusable(f"Others can read the master key's file {path}.", help=f"chmod 600 {path}")
        try:
            key = bytes.fromhex(path.read_text("ascii"))
        except ValueError:
            key = b""
        if len(key) != _KEY_BYTES:
            raise MasterKeyUnusable(
                f"The master key's file {path} does not hold {2 * _KEY_BYTES} hex digits.",
                help="Restore it from a backup; a new key would leave every kept transcript unreadable.",
            )
        return cls(key)

    def wrap(self, key: bytes, day: date) -> bytes:
        """Return a day's key, sealed and bound to its day."""
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, key, _wrapped_for(day))

    def unwrap(self, wrapped: bytes, day: date) -> bytes:
        """Return a day's key.

        Raises:
            MasterKeyUnusable: It was wrapped by another master key, for another day, or was altered.
        """
        try:
            return self._cipher.decrypt(wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:], _wrapped_for(day))
        except (InvalidTag, ValueError) as error:
            raise MasterKeyUnusable(
                f"The key of {day} was not wrapped by this master key.",
                help="Restore the master key that belongs to this database.",
            ) from error


class DayKeys:
    """The day keys of one process.

    A key that seals may come from memory: what is sealed with a destroyed key is as unreadable as it should be. A key that
    opens is asked for at the database each time, so that a destroyed key stops working everywhere at once.

    Args:
        engine: The system of record.
        master: The key that wraps.
        clock: Tells when a key was made.
    """

    def __init__(self, engine: sa.Engine, master: MasterKey, clock: Clock) -> None:
        self._engine = engine
        self._master = master
        self._clock = clock
        self._sealing: dict[date, DayKey] = {}
        self._lock = threading.Lock()

    def at_hand(self, day: date) -> DayKey | None:
        """Return the key of a day if it is in memory."""
        return self._sealing.get(day)

    def for_sealing(self, day: date) -> DayKey:
        """Return the key of a day, made now if the day has none yet.

        Raises:
            ContentDestroyed: The key of that day was destroyed; nothing can be added to that day.
            LogUnavailable: The database does not answer and the key is not in memory.
            MasterKeyUnusable: The key was wrapped by another master key.
        """
        with self._lock:
            if (known := self._sealing.get(day)) is not None:
                return known
            wrapped = self._wrapped(day) or self._make(day)
            key = DayKey(day, self._master.unwrap(wrapped, day))
            while len(self._sealing) >= _CACHED_DAYS:
                del self._sealing[min(self._sealing)]
            self._sealing[day] = key
            return key

    def for_opening(self, day: date) -> DayKey:
        """Return the key of a day, asked for at the database.

        Raises:
            ContentDestroyed: It was destroyed, or there never was one.
            LogUnavailable: The database does not answer.
            MasterKeyUnusable: The key was wrapped by another master key.
        """
        wrapped = self._wrapped(day)
        if wrapped is None:
            raise ContentDestroyed(f"There is no key for exchanges of {day}.")
        return DayKey(day, self._master.unwrap(wrapped, day))

    def forget(self) -> None:
        """Drop every key from memory."""
        with self._lock:
            self._sealing.clear()

    def _wrapped(self, day: date) -> bytes | None:
        query = sa.select(day_keys.c.wrapped_key, day_keys.c.destroyed_us).where(day_keys.c.day == day.isoformat())
        with reaching("the day keys"), self._engine.execution_options(read_only=True).connect() as connection:
            row = connection.execute(query).one_or_none()
        if row is None:
            return None
        if row.destroyed_us is not None:
            raise ContentDestroyed(
                f"The key for exchanges of {day} was destroyed at the end of retention; their content is gone for good."
            )
        return bytes(row.wrapped_key)

    def _make(self, day: date) -> bytes:
        made = self._master.wrap(secrets.token_bytes(_KEY_BYTES), day)
        row = {"day": day.isoformat(), "wrapped_key": made, "created_us": to_us(self._clock.now()), "destroyed_us": None}
        try:
            with reaching("the day keys"), self._engine.begin() as connection:
                connection.execute(sa.insert(day_keys).values(row))
        except IntegrityError:
            return self._made_elsewhere(day)
        return made

    def _made_elsewhere(self, day: date) -> bytes:
        wrapped = self._wrapped(day)
        assert wrapped is not None, "another process made the key, and rows are never deleted"
        return wrapped


def _bound_to(exchange_id: ExchangeId, direction: Direction) -> bytes:
    return f"headgate.traffic/{direction.value}/{exchange_id}".encode(errors="backslashreplace")


def _wrapped_for(day: date) -> bytes:
    return f"headgate.traffic/day-key/{day.isoformat()}".encode()


def _create(path: Path) -> None:
    """Write a fresh key under another name, then link it: two processes that start together end up with one key."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}.new")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_hex(_KEY_BYTES) + "\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(draft, path)
        except FileExistsError:
            return
        sync_folder(path.parent)
    finally:
        draft.unlink()


def sync_folder(folder: Path) -> None:
    """Make a rename or link in ``folder`` survive power loss."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
