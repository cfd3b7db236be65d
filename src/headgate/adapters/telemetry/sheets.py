"""The workers' numbers, put together: each writes a sheet of its own every second, and whoever is asked adds them up.

::

    <directory>/<worker>.json   a worker's sheet, replaced as a whole
    <directory>/<worker>.lock   held (flock) while the worker lives; the kernel lets go when it dies
    <directory>/ended.json      what workers counted that have ended, with the names of those it holds already

A counter never goes back: what a worker counted stays when it ends, whichever way, but for what a killed one had counted since
its last sheet. A gauge goes with its worker. The directory may be emptied whenever nothing runs; the numbers then begin anew.
"""

from __future__ import annotations

import fcntl
import os
import secrets
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from headgate.adapters.telemetry.families import BY_NAME, Family, Kind

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Mapping
    from pathlib import Path

_ENDED = "ended"


class Sheet(msgspec.Struct):
    """Numbers by family and by their labels' values, in the family's order.

    A histogram's are the counts of its buckets, the last one without an upper bound, then the sum of what was observed; any
    other's is one number.
    """

    numbers: dict[str, list[tuple[list[str], list[float]]]] = msgspec.field(
        default_factory=dict[str, list[tuple[list[str], list[float]]]]
    )
    holds: list[str] = msgspec.field(default_factory=list[str])
    """Workers whose sheets are in this one."""

    def put(self, family: Family, values: Mapping[tuple[str, ...], float]) -> None:
        """Enter the numbers of a family that is not a histogram."""
        self.numbers[family.name] = [(list(labels), [value]) for labels, value in values.items()]

    def put_histogram(self, family: Family, values: Mapping[tuple[str, ...], tuple[list[int], float]]) -> None:
        """Enter the bucket counts and the sums of a histogram."""
        self.numbers[family.name] = [(list(labels), [*map(float, counts), total]) for labels, (counts, total) in values.items()]


@dataclass(frozen=True, slots=True)
class Seen:
    """One worker, as somebody sees it who is none.

    Attributes:
        worker: Its name.
        lives: Whether it has not ended.
        written_at: When it last wrote its sheet down, in seconds since 1970; ``None`` if it never has.
        sheet: What it counted.
    """

    worker: str
    lives: bool
    written_at: float | None
    sheet: Sheet


def seen(directory: Path) -> list[Seen]:
    """Return every worker whose sheet lies in a directory, those that have ended and were not put together yet too.

    Raises:
        OSError: The directory cannot be read.
    """
    found: list[Seen] = []
    for name in _names(directory):
        path = directory / f"{name}.json"
        with suppress(FileNotFoundError):  # a worker that took over has just put it together
            written = path.stat().st_mtime if path.exists() else None
            found.append(Seen(name, _lives(directory, name), written, _read(path) or Sheet()))
    return found


def _names(directory: Path) -> list[str]:
    return sorted(path.stem for path in directory.glob("*.lock") if path.stem != _ENDED)


def _lives(directory: Path, name: str) -> bool:
    try:
        lock = os.open(directory / f"{name}.lock", os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False


def _read(path: Path) -> Sheet | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Sheet)
    except (FileNotFoundError, msgspec.DecodeError):
        return None


class Sheets:
    """The sheets of one installation.

    Args:
        directory: Where they lie; made when absent.
        worker: This worker's name.
    """

    def __init__(self, directory: Path, worker: str) -> None:
        self._directory = directory
        self._name = f"{worker}-{secrets.token_hex(4)}"
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = self._path(self._name, "draft")
        self._lock = os.open(draft, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        draft.rename(self._path(self._name, "lock"))  # nobody finds it who could take this worker for dead
        self._fold()

    def publish(self, sheet: Sheet) -> None:
        """Replace this worker's sheet.

        Raises:
            OSError: It cannot be written; the last one stands.
        """
        self._write(self._name, sheet)

    def together(self, own: Sheet) -> dict[Family, dict[tuple[str, ...], list[float]]]:
        """Return everybody's numbers as one, with ``own`` in place of this worker's last sheet."""
        ended = self._read(_ENDED) or Sheet()
        shares: list[tuple[Sheet, bool]] = [(ended, False), (own, True)]
        others = [name for name in self._names() if name != self._name and name not in ended.holds]
        shares += [(sheet, self._lives(name)) for name in others if (sheet := self._read(name)) is not None]
        return _added(shares)

    def close(self) -> None:
        """Let go of this worker's sheet, which stands as what it counted."""
        os.close(self._lock)

    def _fold(self) -> None:
        """Put the sheets of workers that have ended into one."""
        with self._alone() as alone:
            if not alone:
                return
            ended = self._read(_ENDED) or Sheet()
            dead = [name for name in self._names() if name != self._name and not self._lives(name)]
            fresh = [sheet for name in dead if name not in ended.holds and (sheet := self._read(name)) is not None]
            if dead:
                self._write(_ENDED, _sheet_of(_added([(sheet, False) for sheet in (ended, *fresh)]), holds=dead))
            for name in dead:  # one that is not unlinked now is known to be in it, and is unlinked the next time
                for suffix in ("json", "lock"):
                    with suppress(OSError):
                        self._path(name, suffix).unlink()

    @contextmanager
    def _alone(self) -> Generator[bool]:
        lock = os.open(self._path(_ENDED, "lock"), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False  # another worker is at it
        else:
            yield True
        finally:
            os.close(lock)

    def _names(self) -> list[str]:
        return _names(self._directory)

    def _lives(self, name: str) -> bool:
        return _lives(self._directory, name)

    def _read(self, name: str) -> Sheet | None:
        return _read(self._path(name, "json"))

    def _write(self, name: str, sheet: Sheet) -> None:
        draft = self._path(name, f"{self._name}.draft")
        draft.write_bytes(msgspec.json.encode(sheet))
        draft.replace(self._path(name, "json"))

    def _path(self, name: str, suffix: str) -> Path:
        return self._directory / f"{name}.{suffix}"


def _added(shares: Iterable[tuple[Sheet, bool]]) -> dict[Family, dict[tuple[str, ...], list[float]]]:
    """Return the sum of sheets, each with whether its worker lives."""
    found: dict[Family, dict[tuple[str, ...], list[float]]] = {}
    for sheet, lives in shares:
        for name, entries in sheet.numbers.items():
            family = BY_NAME.get(name)
            if family is None or not (lives or family.kind in (Kind.COUNTER, Kind.HISTOGRAM)):
                continue
            into = found.setdefault(family, {})
            for labels, numbers in entries:
                key = tuple(labels)
                into[key] = _one(family.kind, into[key], numbers) if key in into else list(numbers)
    return found


def _one(kind: Kind, one: list[float], other: list[float]) -> list[float]:
    match kind:
        case Kind.MOST:
            return [max(one[0], other[0])]
        case Kind.LEAST:
            return [min(one[0], other[0])]
        case Kind.COUNTER | Kind.HISTOGRAM | Kind.SUM:
            return [mine + theirs for mine, theirs in zip(one, other, strict=False)]


def _sheet_of(numbers: Mapping[Family, Mapping[tuple[str, ...], list[float]]], *, holds: list[str]) -> Sheet:
    entries = {family: [(list(labels), values) for labels, values in found.items()] for family, found in numbers.items()}
    return Sheet({family.name: listed for family, listed in entries.items()}, holds)
