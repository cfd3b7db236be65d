"""Installations that are ready to be opened, for tests and benches: made once in a process, then copied for whoever asks.

Bringing a schema up to date is most of the work of a new installation, and it comes out the same each time. So the first who
asks has one made, by what makes every other, and everybody is given a copy of its files, keys and first member of staff
included. Whoever tests the making itself runs ``headgate init``.
"""

from __future__ import annotations

import functools
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from headgate.bootstrap.home import Home
from headgate.bootstrap.settings import load
from headgate.bootstrap.up import initialise
from headgate.bootstrap.wiring import open_house

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class _Files:
    """What lies in a directory.

    Attributes:
        directories: Each one's mode, by its path, parents first.
        contents: Each file's mode and bytes, by its path.
    """

    directories: Mapping[Path, int]
    contents: Mapping[Path, tuple[int, bytes]]

    @classmethod
    def of(cls, root: Path) -> _Files:
        found = [root, *sorted(root.rglob("*"))]
        directories = {path.relative_to(root): path.stat().st_mode for path in found if path.is_dir()}
        contents = {path.relative_to(root): (path.stat().st_mode, path.read_bytes()) for path in found if path.is_file()}
        return cls(directories, contents)

    def write(self, root: Path) -> None:
        for path, mode in self.directories.items():
            (root / path).mkdir(mode=mode, parents=True, exist_ok=True)
        for path, (mode, content) in self.contents.items():
            with os.fdopen(os.open(root / path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
                file.write(content)


def empty_home(root: Path) -> Home:
    """Make an installation in which nothing has happened and nobody is known, in an empty or absent directory.

    Raises:
        FileExistsError: There is an installation already.
    """
    _empty().write(root)
    return Home(root)


def staffed_home(root: Path) -> tuple[Home, str]:
    """Make an installation as ``headgate init --name Root`` leaves it, and return the first member's token beside it.

    Raises:
        FileExistsError: There is an installation already.
    """
    files, token = _staffed()
    files.write(root)
    return Home(root), token


@functools.cache
def _empty() -> _Files:
    with tempfile.TemporaryDirectory(prefix="headgate-home-") as place:
        home = Home(Path(place) / "data")
        open_house(home, load(home.root, {})).close()
        return _Files.of(home.root)


@functools.cache
def _staffed() -> tuple[_Files, str]:
    with tempfile.TemporaryDirectory(prefix="headgate-home-") as place:
        home = empty_home(Path(place) / "data")
        made = initialise(home, load(home.root, {}), "Root")
        return _Files.of(home.root), made.first.secret
