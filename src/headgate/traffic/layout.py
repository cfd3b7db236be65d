"""Where the exchange log's files lie, and how the living are told from the dead.

::

    <directory>/spools/<spool>.sqlite                     one per run of a worker, never reused
    <directory>/spools/<spool>.lock                       held (flock) while the worker lives; the kernel lets go when it dies
    <directory>/segments/<spool>.<first>-<last>.parquet   sealed outcomes first..last of that spool

A spool is named for its worker and the moment it was opened, so no two runs share one, and a place in a spool's order
(``outcome_seq``) means the same for ever.
"""

from __future__ import annotations

import fcntl
import os
import re
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from headgate.kernel.ids import mint
from headgate.traffic.errors import CannotRecord, LogUnavailable

if TYPE_CHECKING:
    from collections.abc import Generator
    from datetime import datetime
    from pathlib import Path

    from headgate.kernel.clock import Clock

_NAMES_TRIED = 3
_WORKER = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
_SEGMENT = re.compile(r"(?P<spool>[a-z0-9-]+_[0-9A-Z]{26})\.(?P<first>\d{12})-(?P<last>\d{12})\.parquet")
_SPOOL = re.compile(r"[a-z0-9-]+_[0-9A-Z]{26}\.sqlite")

_GLOB = frozenset("*?[")
"""What DuckDB would take for a pattern."""


@dataclass(frozen=True, slots=True)
class SegmentFile:
    """One sealed file.

    Attributes:
        path: Where it lies.
        spool: The spool that its rows came from.
        first_seq: The first outcome in it.
        last_seq: The last outcome in it.
    """

    path: Path
    spool: str
    first_seq: int
    last_seq: int


@dataclass(frozen=True, slots=True)
class Layout:
    """The exchange log's directory.

    Attributes:
        directory: Its root.
    """

    directory: Path

    @property
    def spools(self) -> Path:
        """Return the folder of spools and their locks."""
        return self.directory / "spools"

    @property
    def segments(self) -> Path:
        """Return the folder of sealed segments."""
        return self.directory / "segments"

    def make(self) -> None:
        """Make the folders, readable by their owner only.

        Raises:
            LogUnavailable: They cannot be made.
        """
        if _GLOB & set(str(self.directory)):
            raise LogUnavailable(
                f"The exchange log cannot live in {self.directory}.", help="Choose a directory without any of * ? [ in its path."
            )
        try:
            for folder in (self.directory, self.spools, self.segments):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise LogUnavailable(f"The exchange log's directory {self.directory} cannot be made: {error.strerror}.") from error

    def spool_path(self, spool: str) -> Path:
        """Return the file of a spool."""
        return self.spools / f"{spool}.sqlite"

    def lock_path(self, spool: str) -> Path:
        """Return the lock of a spool."""
        return self.spools / f"{spool}.lock"

    def segment_path(self, spool: str, first_seq: int, last_seq: int) -> Path:
        """Return the file that seals outcomes ``first_seq`` to ``last_seq`` of a spool."""
        return self.segments / f"{spool}.{first_seq:012d}-{last_seq:012d}.parquet"

    def spool_names(self) -> list[str]:
        """Return the spools that exist, oldest worker run first within a worker.

        Raises:
            LogUnavailable: The folder cannot be read. It is never taken for an empty one.
        """
        return sorted(name.removesuffix(".sqlite") for name in self._list(self.spools) if _SPOOL.fullmatch(name))

    def lock_names(self) -> list[str]:
        """Return the spools that have a lock, whether or not their file exists.

        Raises:
            LogUnavailable: The folder cannot be read.
        """
        return sorted(name.removesuffix(".lock") for name in self._list(self.spools) if name.endswith(".lock"))

    def segment_files(self) -> list[SegmentFile]:
        """Return the segments, in outcome order within a spool.

        Raises:
            LogUnavailable: The folder cannot be read. It is never taken for an empty one.
        """
        matches = (_SEGMENT.fullmatch(name) for name in sorted(self._list(self.segments)))
        return [
            SegmentFile(self.segments / match.group(), match["spool"], int(match["first"]), int(match["last"]))
            for match in matches
            if match is not None
        ]

    def _list(self, folder: Path) -> list[str]:
        try:
            return [path.name for path in folder.iterdir()]
        except OSError as error:
            raise LogUnavailable(f"The exchange log's folder {folder} cannot be read: {error.strerror}.") from error


def new_spool_name(worker: str, *, at: datetime) -> str:
    """Return a name for a worker's next spool.

    Raises:
        ValueError: ``worker`` is not 1 to 40 lower-case letters, digits and hyphens.
    """
    if not _WORKER.fullmatch(worker):
        raise ValueError("a worker's name is 1 to 40 lower-case letters, digits and hyphens")
    return mint(worker, at=at)


def hold(path: Path) -> int:
    """Take a fresh spool's lock and return its descriptor; the lock lasts until the process ends or closes it.

    The descriptor is not inherited by programs that the process starts. A plain ``fork`` does share it: open spools after
    forking, never before.

    Raises:
        OSError: The file cannot be made, or is taken.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # A steward may have found the file before it was locked, and cleared it away as a dead worker's.
        if os.fstat(descriptor).st_nlink == 0:
            raise BlockingIOError("the lock was cleared away while it was being taken")
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def take_a_name(layout: Layout, worker: str, clock: Clock) -> tuple[str, int]:
    """Return a name for a worker's next spool, and the lock that is held under it.

    Raises:
        CannotRecord: There is no lock to be had.
        ValueError: ``worker`` is not a worker's name.
    """
    for tries_left in reversed(range(_NAMES_TRIED)):
        name = new_spool_name(worker, at=clock.now())
        try:
            return name, hold(layout.lock_path(name))
        except BlockingIOError:
            if not tries_left:
                raise CannotRecord(f"No spool can be opened in {layout.spools}: its lock is taken each time.") from None
        except OSError as error:
            raise CannotRecord(f"No spool can be opened in {layout.spools}: {error.strerror}.") from error
    raise AssertionError("the last try returns or raises")


@contextmanager
def holding_dead(layout: Layout, spool: str) -> Generator[bool]:
    """Hold the lock of a dead worker's spool for a while; gives ``False`` when it lives or another steward holds it."""
    try:
        descriptor = os.open(layout.lock_path(spool), os.O_RDWR)
    except FileNotFoundError:
        yield False
        return
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        # Another steward may have removed the spool between our opening the lock and taking it.
        yield os.fstat(descriptor).st_nlink > 0
    finally:
        os.close(descriptor)
