from __future__ import annotations

import stat
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.kernel.ids import ExchangeId
from headgate.traffic.errors import ContentTampered, MasterKeyUnusable
from headgate.traffic.keys import DayKey, Direction, MasterKey, day_of

if TYPE_CHECKING:
    from pathlib import Path

TODAY = date(2026, 3, 4)
KEY = DayKey(TODAY, bytes(range(32)))
EX = ExchangeId("ex_1")


@given(st.binary(max_size=2000), st.sampled_from(Direction))
def test_what_is_sealed_opens_to_the_same_bytes(body: bytes, direction: Direction) -> None:
    assert KEY.open(KEY.seal(body, EX, direction), EX, direction) == body


@given(st.binary(max_size=200), st.data())
def test_a_sealed_body_with_any_bit_changed_is_withheld(body: bytes, data: st.DataObject) -> None:
    sealed = bytearray(KEY.seal(body, EX, Direction.REQUEST))
    place = data.draw(st.integers(0, 8 * len(sealed) - 1))
    sealed[place // 8] ^= 1 << place % 8

    with pytest.raises(ContentTampered):
        KEY.open(bytes(sealed), EX, Direction.REQUEST)


@given(st.binary(max_size=200), st.integers(0, 60))
def test_a_sealed_body_that_was_cut_short_is_withheld(body: bytes, kept: int) -> None:
    sealed = KEY.seal(body, EX, Direction.REQUEST)
    if kept < len(sealed):
        with pytest.raises(ContentTampered):
            KEY.open(sealed[:kept], EX, Direction.REQUEST)


def test_a_sealed_body_cannot_be_moved_to_another_exchange_direction_or_day() -> None:
    sealed = KEY.seal(b"a question", EX, Direction.REQUEST)

    for key, exchange_id, direction in [
        (KEY, ExchangeId("ex_2"), Direction.REQUEST),
        (KEY, EX, Direction.RESPONSE),
        (DayKey(TODAY, bytes(32)), EX, Direction.REQUEST),
    ]:
        with pytest.raises(ContentTampered):
            key.open(sealed, exchange_id, direction)


def test_one_body_is_never_sealed_to_the_same_bytes_twice() -> None:
    assert len({KEY.seal(b"again", EX, Direction.REQUEST) for _ in range(100)}) == 100


def test_no_key_shows_itself(tmp_path: Path) -> None:
    master = MasterKey.load_or_create(tmp_path / "master.key")
    shown = repr(master) + str(master) + repr(DayKey(TODAY, b"\x41" * 32)) + repr([vars(type(master))["__slots__"]])

    assert (tmp_path / "master.key").read_text().strip() not in shown
    assert "A" * 32 not in shown


def test_the_master_key_is_made_once_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "master.key"

    first = MasterKey.load_or_create(path)
    second = MasterKey.load_or_create(path)

    assert second.unwrap(first.wrap(b"k" * 32, TODAY), TODAY) == b"k" * 32
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [each.name for each in path.parent.iterdir()] == ["master.key"]


def test_a_master_key_that_others_can_read_is_not_used(tmp_path: Path) -> None:
    path = tmp_path / "master.key"
    MasterKey.load_or_create(path)
    path.chmod(0o640)

    with pytest.raises(MasterKeyUnusable) as caught:
        MasterKey.load_or_create(path)

    assert caught.value.help == f"chmod 600 {path}"


@pytest.mark.parametrize("text", ["", "zz", "ab" * 31, "ab" * 33, "not hex at all", "\x00\x01"])
def test_a_master_key_that_is_malformed_is_not_replaced(tmp_path: Path, text: str) -> None:
    path = tmp_path / "master.key"
    path.write_text(text)
    path.chmod(0o600)

    with pytest.raises(MasterKeyUnusable):
        MasterKey.load_or_create(path)

    assert path.read_text() == text


def test_a_master_key_that_cannot_be_made_is_said_to_be_unusable(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(MasterKeyUnusable):
        MasterKey.load_or_create(tmp_path / "file" / "master.key")


def test_a_wrapped_key_opens_for_its_day_and_master_only(tmp_path: Path) -> None:
    master = MasterKey.load_or_create(tmp_path / "one")
    other = MasterKey.load_or_create(tmp_path / "other")
    wrapped = master.wrap(b"k" * 32, TODAY)

    for key, day in [(master, TODAY + timedelta(days=1)), (other, TODAY)]:
        with pytest.raises(MasterKeyUnusable):
            key.unwrap(wrapped, day)


def test_a_master_key_has_the_right_length() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        MasterKey(b"short")


def test_a_day_is_that_of_utc() -> None:
    from datetime import timezone

    assert day_of(datetime(2026, 3, 4, 23, 30, tzinfo=timezone(timedelta(hours=-5)))) == date(2026, 3, 5)
    assert day_of(datetime(2026, 3, 4, tzinfo=UTC)) == TODAY
