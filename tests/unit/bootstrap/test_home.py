from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from headgate.bootstrap.home import Home, HomeUnwritable, NoHome, secret_file

if TYPE_CHECKING:
    from pathlib import Path


def test_secrets_are_for_their_owner_only(tmp_path: Path) -> None:
    home = Home(tmp_path / "data")
    home.make()
    secret_file(home.secrets / "pepper")
    assert stat.S_IMODE(home.secrets.stat().st_mode) == 0o700
    assert stat.S_IMODE((home.secrets / "pepper").stat().st_mode) == 0o600


def test_a_secret_stays_what_it_is(tmp_path: Path) -> None:
    assert secret_file(tmp_path / "one") == secret_file(tmp_path / "one") != secret_file(tmp_path / "other")


def test_all_who_start_together_agree_on_one_secret(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(secret_file, [tmp_path / "pepper"] * 64))) == 1
    assert list(tmp_path.iterdir()) == [tmp_path / "pepper"]


def test_a_damaged_secret_is_told_and_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "pepper").write_bytes(b"short")
    with pytest.raises(HomeUnwritable, match="damaged"):
        secret_file(tmp_path / "pepper")
    assert (tmp_path / "pepper").read_bytes() == b"short"


def test_an_empty_directory_is_no_installation(tmp_path: Path) -> None:
    with pytest.raises(NoHome) as told:
        Home(tmp_path).must_exist()
    assert told.value.help is not None
    assert "headgate init" in told.value.help


def test_a_file_in_the_way_is_told(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("in the way")
    with pytest.raises(HomeUnwritable):
        Home(tmp_path / "data").make()
