from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from pydantic import ValidationError

from headgate.bootstrap.settings import BadSettings, Settings, load

if TYPE_CHECKING:
    from pathlib import Path


def test_without_a_file_everything_has_its_default(tmp_path: Path) -> None:
    assert load(tmp_path, {}) == Settings()


def test_the_environment_wins_over_the_file_and_the_command_line_over_both(tmp_path: Path) -> None:
    (tmp_path / "headgate.toml").write_text("port = 1\nworkers = 3\ntick_s = 2.5\n")
    settings = load(tmp_path, {"HEADGATE_PORT": "2", "HEADGATE_WORKERS": "4"}, workers=5, host=None)
    assert (settings.port, settings.workers, settings.tick_s, settings.host) == (2, 5, 2.5, "127.0.0.1")


def test_an_unknown_key_names_the_nearest_known_one(tmp_path: Path) -> None:
    (tmp_path / "headgate.toml").write_text("max_stale = 3\n")
    with pytest.raises(BadSettings, match="did you mean 'max_stale_s'"):
        load(tmp_path, {})


def test_every_wrong_value_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(BadSettings) as told:
        load(tmp_path, {"HEADGATE_PORT": "99999", "HEADGATE_WORKERS": "many"})
    assert "port" in told.value.message
    assert "workers" in told.value.message


@pytest.mark.parametrize("content", [b"port = ", b"\xff\xfe", b"port = 1\nport = 2\n"])
def test_a_file_that_is_no_toml_is_told(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "headgate.toml").write_bytes(content)
    with pytest.raises(BadSettings, match=r"headgate\.toml cannot be read"):
        load(tmp_path, {})


def test_what_tells_where_and_who_is_no_setting(tmp_path: Path) -> None:
    assert load(tmp_path, {"HEADGATE_DATA": "x", "HEADGATE_TOKEN": "y", "HOME": "/"}) == Settings()


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValidationError):
        Settings().port = 1  # pyright: ignore[reportAttributeAccessIssue]
