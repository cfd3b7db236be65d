"""Forms: read alike however they are split, refused where two readers could differ, put together again byte for byte."""

from __future__ import annotations

import hashlib
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.gateway.errors import FormMalformed, TooLarge, WrongContentType, WrongType
from headgate.gateway.wire.multipart import FormLimits, FormReader

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from headgate.gateway.wire.multipart import Parts, Splice

LIMITS = FormLimits(total_bytes=1_000_000, file_bytes=500_000, field_bytes=10_000, fields_bytes=50_000, parts=20)
BOUNDARY = b"b0undary"
TYPE = "multipart/form-data; boundary=b0undary"


def a_field(name: str, value: bytes, more: bytes = b"") -> bytes:
    return b'Content-Disposition: form-data; name="' + name.encode() + b'"\r\n' + more + b"\r\n" + value


def a_file(name: str, content: bytes, filename: bytes = b"a.wav", kind: bytes = b"audio/wav") -> bytes:
    head = b'Content-Disposition: form-data; name="' + name.encode() + b'"; filename="' + filename + b'"\r\n'
    return head + b"Content-Type: " + kind + b"\r\n\r\n" + content


def a_form(*parts: bytes, boundary: bytes = BOUNDARY) -> bytes:
    return b"".join(b"--" + boundary + b"\r\n" + part + b"\r\n" for part in parts) + b"--" + boundary + b"--\r\n"


def parts_of(body: bytes, cuts: Iterable[int] = (), content_type: str = TYPE) -> Parts:
    reader = FormReader(content_type, limits=LIMITS)
    for start, end in pairwise(sorted({0, len(body), *(cut for cut in cuts if cut <= len(body))})):
        reader.feed(body[start:end])
    return reader.finish()


def spliced(body: bytes, parts: Parts, splices: Sequence[Splice]) -> bytes:
    length, pieces = parts.spliced(splices)
    made = b"".join(piece if isinstance(piece, bytes) else body[piece.start : piece.end] for piece in pieces)
    assert len(made) == length
    return made


AUDIO = b"RIFF\x00\x01\r\n--b0undar\r\n\r\n--\r--b0und\xff" * 50


def test_a_form_is_read_whatever_the_order_of_its_fields() -> None:
    body = a_form(a_file("file", AUDIO, b"C:\\talk \xc3\xbc.wav"), a_field("model", b"atlas"), a_field("include[]", b"logprobs"))

    parts = parts_of(body)

    assert [part.name for part in parts.parts] == ["file", "model", "include[]"]
    assert parts.text("model") == "atlas"
    file = parts.file("file")
    assert file is not None
    assert (file.filename, file.content_type, file.size, file.text) == ("C:\\talk ü.wav", "audio/wav", len(AUDIO), None)
    assert file.sha256 == hashlib.sha256(AUDIO).hexdigest()
    assert body[file.at.start : file.at.end] == AUDIO
    assert parts.text("prompt") is None


@given(st.lists(st.integers(0, 2000), max_size=40), st.lists(st.binary(max_size=200), min_size=1, max_size=5))
def test_how_a_form_is_split_changes_nothing(cuts: list[int], contents: list[bytes]) -> None:
    contents = [content.replace(b"--b0undary", b"") for content in contents]
    body = a_form(*[a_file(f"f{index}", content) for index, content in enumerate(contents)], a_field("model", b"atlas"))

    parts = parts_of(body, cuts)

    assert parts == parts_of(body)
    assert [body[part.at.start : part.at.end] for part in parts.parts] == [*contents, b"atlas"]
    assert spliced(body, parts, ()) == body


@given(st.text(st.characters(codec="utf-8"), max_size=50).filter(lambda text: "--b0undary" not in text))
def test_a_changed_field_is_the_only_change(value: str) -> None:
    before, after = a_file("file", AUDIO), a_field("prompt", b"Hello")
    body = a_form(before, a_field("model", b"atlas", b"Content-Length: 5\r\n"), after)
    parts = parts_of(body)

    made = spliced(body, parts, [parts.setting("model", value)])

    assert made == a_form(before, a_field("model", value.encode()), after)
    assert parts_of(made).text("model") == value


def test_a_part_is_taken_out_whole() -> None:
    body = a_form(a_field("include[]", b"logprobs"), a_field("model", b"atlas"), a_field("include[]", b"other"))
    parts = parts_of(body)

    made = spliced(body, parts, [parts.removing(parts.parts[0]), parts.setting("model", "m")])

    assert made == a_form(a_field("model", b"m"), a_field("include[]", b"other"))


def test_a_boundary_that_stands_in_a_new_value_is_refused() -> None:
    parts = parts_of(a_form(a_field("model", b"atlas")))

    with pytest.raises(FormMalformed):
        parts.setting("model", "my--b0undary-model")


def test_one_field_is_not_taken_for_another_kind() -> None:
    parts = parts_of(
        a_form(a_field("file", b"text"), a_file("model", b"atlas"), a_field("prompt[]", b"x"), a_file("image[]", b"i"))
    )

    with pytest.raises(WrongType):
        parts.file("file")
    with pytest.raises(WrongType):
        parts.text("model")
    with pytest.raises(WrongType):
        parts.text("prompt")
    with pytest.raises(WrongType):
        parts.file("image")
    assert [part.filename for part in parts.named("image")] == ["a.wav"]


AMBIGUOUS = {
    "nothing": b"",
    "no end": a_form(a_field("model", b"atlas"))[:-4],
    "no end of a part": a_form(a_field("model", b"atlas"))[:-16],
    "something before it": b"x\r\n" + a_form(a_field("model", b"atlas")),
    "an empty line before it": b"\r\n" + a_form(a_field("model", b"atlas")),
    "something after it": a_form(a_field("model", b"atlas")) + b"x",
    "another form after it": a_form(a_field("model", b"atlas")) + a_form(a_field("model", b"other")),
    "a field that stands twice": a_form(a_field("model", b"atlas"), a_field("model", b"other")),
    "a field and an array of it": a_form(a_field("model", b"atlas"), a_field("model[]", b"other")),
    "a bare line feed before a boundary": a_form(
        a_file("file", b"x\n--b0undary\n" + a_field("model", b"other")), a_field("model", b"a")
    ),
    "a boundary within a line": a_form(a_file("file", b"x--b0undary"), a_field("model", b"a")),
    "a longer boundary that begins with this one": a_form(a_file("file", b"x\r\n--b0undary2\r\n\r\ny"), a_field("model", b"a")),
    "blanks behind a boundary": a_form(a_field("model", b"atlas")).replace(b"--b0undary\r\n", b"--b0undary \r\n"),
    "a boundary with a bare line feed": a_form(a_field("model", b"atlas")).replace(b"--b0undary\r\n", b"--b0undary\n"),
    "a header with a line feed": a_form(b'Content-Disposition: form-data; name="a"\nx: y\r\n\r\nv'),
    "a header with a zero": a_form(b'Content-Disposition: form-data; name="a\x00"\r\n\r\nv'),
    "a folded header": a_form(b'Content-Disposition: form-data;\r\n name="a"\r\n\r\nv'),
    "a header of 1 MB": a_form(a_file("file", b"x", b"n" * 1_000_000))[:999_000],
    "many headers": a_form(b"".join(b"x-%d: y\r\n" % index for index in range(50)) + a_field("model", b"atlas")),
    "two dispositions": a_form(b'Content-Disposition: form-data; name="a"\r\n' + a_field("model", b"atlas")),
    "no disposition": a_form(b"Content-Type: text/plain\r\n\r\nv"),
    "no headers": a_form(b"\r\nv"),
    "two names": a_form(b'Content-Disposition: form-data; name="a"; name="model"\r\n\r\nv'),
    "a name that is escaped": a_form(b'Content-Disposition: form-data; name="mod%65l"\r\n\r\nv'),
    "a name of another alphabet": a_form(b"Content-Disposition: form-data; name*=utf-8''model\r\n\r\nv"),
    "a quote that is escaped": a_form(b'Content-Disposition: form-data; name="a"; filename="x\\"; name=\\"model"\r\n\r\nv'),
    "a parameter that nobody knows": a_form(b'Content-Disposition: form-data; name="a"; size=3\r\n\r\nv'),
    "an attachment": a_form(b'Content-Disposition: attachment; name="a"\r\n\r\nv'),
    "an encoded part": a_form(a_field("model", b"YXRsYXM=", b"Content-Transfer-Encoding: base64\r\n")),
    "a compressed part": a_form(a_field("model", b"atlas", b"Content-Encoding: gzip\r\n")),
    "a part in another alphabet": a_form(a_field("model", b"a\x00", b"Content-Type: text/plain; charset=utf-16\r\n")),
    "a part that lies of its length": a_form(a_field("model", b"atlas", b"Content-Length: 3\r\n")),
    "a form within": a_form(a_file("file", b"x", kind=b"multipart/mixed; boundary=y")),
    "a field that is not UTF-8": a_form(a_field("model", b"\xff")),
    "a field that sets the alphabet": a_form(a_field("_charset_", b"utf-7")),
    "a header without a colon": a_form(b'Content-Disposition form-data; name="a"\r\n\r\nv'),
}


@pytest.mark.parametrize("what", sorted(AMBIGUOUS))
def test_a_form_that_could_be_read_in_two_ways_is_refused_however_it_is_split(what: str) -> None:
    body = AMBIGUOUS[what]

    for cuts in ((), range(0, len(body), max(7, len(body) // 100))):
        with pytest.raises(FormMalformed):
            parts_of(body, cuts)


@pytest.mark.parametrize(
    "body",
    [
        a_form(*[a_field(f"f{index}", b"v") for index in range(10_000)]),
        a_form(a_field("prompt", b"x" * 10_001)),
        a_form(*[a_field(f"f{index}", b"x" * 9_000) for index in range(6)]),
        a_form(a_file("file", b"x" * 500_001)),
        a_form(a_file("a", b"x" * 400_000), a_file("b", b"x" * 400_000), a_file("c", b"x" * 400_000)),
    ],
    ids=["10,000 fields", "a long field", "many long fields", "a long file", "all of it"],
)
def test_a_form_that_is_too_large_is_refused(body: bytes) -> None:
    with pytest.raises(TooLarge):
        parts_of(body, range(0, len(body), 65_536))


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "application/json",
        "multipart/form-data",
        "multipart/mixed; boundary=b0undary",
        "multipart/form-data; boundary=",
        "multipart/form-data; boundary=a; boundary=b",
        'multipart/form-data; boundary="a\\"b"',
        "multipart/form-data; boundary*=utf-8''a",
        "multipart/form-data; boundary=" + "a" * 71,
        "multipart/form-data; boundary=b0undary; charset=utf-16",
    ],
)
def test_a_boundary_that_readers_could_understand_differently_is_refused(content_type: str) -> None:
    with pytest.raises(WrongContentType):
        FormReader(content_type, limits=LIMITS)


@pytest.mark.parametrize(
    ("content_type", "boundary"),
    [
        ("multipart/form-data; boundary=----WebKitFormBoundary7MA4YWxkTrZu0gW", b"----WebKitFormBoundary7MA4YWxkTrZu0gW"),
        ('Multipart/Form-Data;boundary="a b/c:d"', b"a b/c:d"),
        ("multipart/form-data; boundary=-----", b"-----"),
        ("multipart/form-data; boundary=b0undary; charset=utf-8", b"b0undary"),
    ],
)
def test_every_ordinary_boundary_is_understood(content_type: str, boundary: bytes) -> None:
    body = a_form(a_field("model", b"atlas"), a_file("file", b"-\r\n-\r\n-"), boundary=boundary)

    for cuts in ((), range(len(body))):
        assert parts_of(body, cuts, content_type).text("model") == "atlas"
