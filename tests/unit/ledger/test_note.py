from __future__ import annotations

import base64
import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from headgate.ledger.decide.merkle import EMPTY_ROOT
from headgate.ledger.errors import NotANote, NotSigned
from headgate.ledger.model import Head
from headgate.ledger.wire import checkpoint, note
from headgate.ledger.wire.note import Signer, VerifierKey

# Published with golang.org/x/mod/sumdb/note.
SECRET = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
PUBLIC = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
TEXT = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
SIGNED = TEXT + "\n— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"

SEED = bytes(range(32))
ORIGIN = "headgate.example/ledger"
HEAD = Head(7, bytes.fromhex("ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c"))


def signer() -> Signer:
    return Signer.from_seed(ORIGIN, SEED)


def test_the_published_key_and_note_are_reproduced() -> None:
    published = Signer.parse(SECRET)
    assert published.secret() == SECRET
    assert str(published.verifier) == PUBLIC
    assert published.sign(TEXT) == SIGNED
    assert note.opened(SIGNED, [VerifierKey.parse(PUBLIC)]) == (TEXT, (published.verifier,))


def test_a_checkpoint_is_what_one_would_assemble_by_hand() -> None:
    key = Ed25519PrivateKey.from_private_bytes(SEED)
    public = key.public_key().public_bytes_raw()
    text = f"{ORIGIN}\n7\n{base64.b64encode(HEAD.root).decode()}\n"
    key_id = hashlib.sha256(ORIGIN.encode() + b"\x0a\x01" + public).digest()[:4]
    signature = base64.b64encode(key_id + key.sign(text.encode())).decode()

    assert checkpoint.sign(HEAD, signer()) == f"{text}\n\u2014 {ORIGIN} {signature}\n"
    spelled = base64.b64encode(b"\x01" + public).decode()
    assert str(signer().verifier) == f"{ORIGIN}+{key_id.hex()}+{spelled}"


def test_a_checkpoint_says_what_was_signed() -> None:
    signed = checkpoint.sign(HEAD, signer())
    assert checkpoint.opened(signed, [signer().verifier]) == (HEAD, (signer().verifier,))


def test_the_checkpoint_of_an_empty_ledger_says_nought() -> None:
    empty = Head(0, EMPTY_ROOT)
    assert checkpoint.opened(checkpoint.sign(empty, signer()), [signer().verifier])[0] == empty


@given(st.data())
def test_no_byte_of_a_checkpoint_can_change(data: st.DataObject) -> None:
    signed = bytearray(checkpoint.sign(HEAD, signer()).encode())
    at = data.draw(st.integers(0, len(signed) - 1))
    signed[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises((NotANote, NotSigned, UnicodeDecodeError)):
        checkpoint.opened(signed.decode(), [signer().verifier])


def test_nobody_trusted_means_nobody_signed() -> None:
    with pytest.raises(NotSigned):
        checkpoint.opened(checkpoint.sign(HEAD, signer()), [])


def test_another_key_of_the_same_name_has_not_signed() -> None:
    with pytest.raises(NotSigned):
        checkpoint.opened(checkpoint.sign(HEAD, signer()), [Signer.from_seed(ORIGIN, bytes(32)).verifier])


def test_signatures_of_strangers_are_ignored_and_witnesses_are_named() -> None:
    witness, stranger = Signer.from_seed("witness.example", bytes(32)), Signer.from_seed("stranger.example", b"s" * 32)
    text = checkpoint.text(ORIGIN, HEAD)
    lines = [each.sign(text).rpartition("\n\n")[2] for each in (stranger, signer(), witness)]
    head, signers = checkpoint.opened(text + "\n" + "".join(lines), [signer().verifier, witness.verifier])
    assert head == HEAD
    assert signers == (signer().verifier, witness.verifier)


def test_a_checkpoint_of_another_ledger_is_refused() -> None:
    other = signer().sign(checkpoint.text("other.example/ledger", HEAD))
    with pytest.raises(NotANote, match="another ledger"):
        checkpoint.opened(other, [signer().verifier])


@pytest.mark.parametrize(
    "text",
    [
        "origin\n7\n",
        "\n7\n" + base64.b64encode(bytes(32)).decode() + "\n",
        "origin\n07\n" + base64.b64encode(bytes(32)).decode() + "\n",
        "origin\n-7\n" + base64.b64encode(bytes(32)).decode() + "\n",
        "origin\n\u0667\n" + base64.b64encode(bytes(32)).decode() + "\n",
        "origin\n7\n" + base64.b64encode(bytes(31)).decode() + "\n",
        "origin\n7\nnot base64\n",
        "origin\n7\n" + base64.b64encode(bytes(32)).decode() + "\nan extension\n",
    ],
)
def test_a_text_that_is_no_checkpoint_is_refused(text: str) -> None:
    with pytest.raises(NotANote):
        checkpoint.parse(text)


@pytest.mark.parametrize(
    "key",
    [
        "",
        "name",
        "name+00000000+AQ==",
        PUBLIC.replace("c74f20a3", "c74f20a4"),
        PUBLIC.replace("PeterNeumann", "Peter Neumann"),
        PUBLIC.replace("+ARpc", "+ARpd"),
        "PeterNeumann+c74f20a3+" + base64.b64encode(b"\x02" + bytes(32)).decode(),
        PUBLIC + "\n",
    ],
)
def test_a_malformed_verifier_key_is_refused(key: str) -> None:
    with pytest.raises(NotANote):
        VerifierKey.parse(key)


@pytest.mark.parametrize("secret", [PUBLIC, SECRET.replace("c74f20a3", "c74f20a4"), SECRET[:-4]])
def test_a_malformed_private_key_is_refused(secret: str) -> None:
    with pytest.raises(NotANote):
        Signer.parse(secret)


@pytest.mark.parametrize("text", ["no newline at the end", "a bell \a\n"])
def test_a_text_that_is_no_note_is_not_signed(text: str) -> None:
    with pytest.raises(NotANote):
        signer().sign(text)


@pytest.mark.parametrize(
    "signed",
    [
        "",
        "text\n",
        "text\n\n",
        "text\n\n- name AAAAAAA=\n",
        "text\n\n— name\n",
        "text\n\n— name AAAA\n",
        SIGNED.rstrip("\n"),
        SIGNED + "".join(f"— stranger{i} AAAAAAAA\n" for i in range(100)),
    ],
)
def test_a_malformed_note_is_refused(signed: str) -> None:
    with pytest.raises(NotANote):
        note.opened(signed, [VerifierKey.parse(PUBLIC)])


def test_a_signer_does_not_show_its_secret() -> None:
    assert signer().secret().rpartition("+")[2] not in repr(signer())
