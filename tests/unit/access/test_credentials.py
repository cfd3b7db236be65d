from __future__ import annotations

import string
import zlib
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.access.errors import KeyMalformed, StaffTokenMalformed
from headgate.access.wire import key
from headgate.access.wire.checksum import base62, secret_of
from headgate.access.wire.pepper import Pepper, canonical_email, same
from headgate.access.wire.staff_credential import LINK, SESSION, TOKEN, Spelling
from headgate.kernel.ids import KeyId, StaffId, mint

BASE62 = string.digits + string.ascii_letters

entropies = st.binary(min_size=24, max_size=24)
environments = st.from_regex(r"[a-z][a-z0-9]{0,11}", fullmatch=True)


def _key_id(seconds: int, entropy: bytes) -> KeyId:
    return KeyId(mint("key", at=datetime.fromtimestamp(seconds, UTC), entropy=entropy))


key_ids = st.builds(_key_id, st.integers(0, 32_000_000_000), st.binary(min_size=10, max_size=10))


@given(environments, key_ids, entropies)
def test_a_key_that_is_minted_is_read_back(environment: str, key_id: KeyId, entropy: bytes) -> None:
    minted = key.mint(environment, key_id, entropy=entropy)
    assert key.parse(minted.text) == minted
    assert minted.key_id == key_id


@given(environments, key_ids, entropies)
def test_a_key_ends_in_the_checksum_of_all_before_it(environment: str, key_id: KeyId, entropy: bytes) -> None:
    text = key.mint(environment, key_id, entropy=entropy).text
    number = 0
    for digit in text[-6:]:
        number = number * 62 + "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz".index(digit)
    assert number == zlib.crc32(text[:-6].encode())
    assert len(text.split("_")) == 4
    assert len(text.split("_")[3]) >= 36


@given(key_ids, entropies, st.data())
def test_any_single_wrong_character_is_noticed(key_id: KeyId, entropy: bytes, data: st.DataObject) -> None:
    text = key.mint("live", key_id, entropy=entropy).text
    place = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.sampled_from(sorted(set(BASE62 + "_- ") - {text[place]})))
    with pytest.raises(KeyMalformed):
        key.parse(text[:place] + other + text[place + 1 :])


@given(key_ids, entropies, st.data())
def test_a_key_cut_short_or_drawn_out_is_noticed(key_id: KeyId, entropy: bytes, data: st.DataObject) -> None:
    text = key.mint("live", key_id, entropy=entropy).text
    place = data.draw(st.integers(0, len(text) - 1))
    with pytest.raises(KeyMalformed):
        key.parse(text[:place])
    with pytest.raises(KeyMalformed):
        key.parse(text[:place] + data.draw(st.sampled_from(BASE62)) + text[place:])


@given(st.text(max_size=300))
def test_any_other_text_is_malformed_and_is_not_repeated(text: str) -> None:
    with pytest.raises(KeyMalformed) as caught:
        key.parse(text)
    assert len(text) < 8 or text not in str(caught.value)
    with pytest.raises(StaffTokenMalformed):
        TOKEN.parse(text)


@pytest.mark.parametrize("tail", ["\n", " ", "\r\n", "\0", "\N{FULLWIDTH DIGIT ONE}"])
def test_nothing_is_trimmed_from_a_key(tail: str) -> None:
    text = key.mint("live", KeyId("key_01JD8E0000ABCDEFGHJKMNPQRS"), entropy=bytes(24)).text
    with pytest.raises(KeyMalformed):
        key.parse(text + tail)
    with pytest.raises(KeyMalformed):
        key.parse(tail + text)


@given(entropies, entropies)
def test_different_entropy_makes_different_secrets(one: bytes, other: bytes) -> None:
    assert (secret_of(one) == secret_of(other)) == (one == other)
    assert len(secret_of(one)) == 33


def test_base62_refuses_what_does_not_fit() -> None:
    assert base62(62**6 - 1, 6) == "zzzzzz"
    for number in (-1, 62**6):
        with pytest.raises(ValueError, match="base-62"):
            base62(number, 6)
    with pytest.raises(ValueError, match="24 bytes"):
        secret_of(b"short")


@pytest.mark.parametrize("environment", ["", "Live", "1live", "a_b", "abcdefghijklm", "é"])
def test_an_environment_that_a_key_cannot_spell_is_refused(environment: str) -> None:
    with pytest.raises(ValueError, match="environment"):
        key.environment_for(environment)


def test_an_identifier_of_something_else_makes_no_credential() -> None:
    with pytest.raises(ValueError, match="identifier"):
        key.mint("live", KeyId("acc_1"), entropy=bytes(24))
    with pytest.raises(ValueError, match="identifier"):
        TOKEN.mint(StaffId("key_1"), entropy=bytes(24))


def test_keys_and_staff_tokens_are_never_taken_for_each_other() -> None:
    body = "01JD8E0000ABCDEFGHJKMNPQRS"
    with pytest.raises(StaffTokenMalformed):
        TOKEN.parse(key.mint("live", KeyId("key_" + body), entropy=bytes(24)).text)
    with pytest.raises(KeyMalformed):
        key.parse(TOKEN.mint(StaffId("stf_" + body), entropy=bytes(24)).text)


@pytest.mark.parametrize("one", [TOKEN, LINK, SESSION])
@pytest.mark.parametrize("other", [TOKEN, LINK, SESSION])
def test_no_credential_of_staff_is_taken_for_one_of_another_kind(one: Spelling, other: Spelling) -> None:
    minted = one.mint(f"{one.of}_01JD8E0000ABCDEFGHJKMNPQRS", entropy=bytes(24))
    if one is other:
        assert one.parse(minted.text) == minted
        return
    with pytest.raises(other.malformed) as caught:
        other.parse(minted.text)
    assert minted.text not in str(caught.value)


@given(key_ids, entropies)
def test_the_secret_is_in_no_repr(key_id: KeyId, entropy: bytes) -> None:
    minted = key.mint("live", key_id, entropy=entropy)
    assert secret_of(entropy) not in repr(minted)
    token = TOKEN.mint(StaffId("stf_" + key_id.removeprefix("key_")), entropy=entropy)
    assert TOKEN.parse(token.text) == token
    assert secret_of(entropy) not in repr(token)


def test_digests_differ_by_pepper_and_by_use() -> None:
    pepper, other = Pepper(b"p" * 32), Pepper(b"q" * 32)
    assert same(pepper.of_key("x"), pepper.of_key("x"))
    assert len({pepper.of_key("x@y.z"), pepper.of_staff_token("x@y.z"), pepper.of_email("x@y.z"), other.of_key("x@y.z")}) == 4
    assert "pppp" not in repr(pepper)
    with pytest.raises(ValueError, match="32"):
        Pepper(b"p" * 31)


def test_one_mailbox_has_one_spelling() -> None:
    assert canonical_email("  Ada@Example.ORG ") == canonical_email("ada@example.org")
    assert canonical_email("a+b@x.org") != canonical_email("a@x.org")


@pytest.mark.parametrize("address", ["", "ada", "@x.org", "ada@", "ada@org", "a b@x.org", "ada@.", "a" * 250 + "@x.org"])
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match="e-mail"):
        canonical_email(address)
