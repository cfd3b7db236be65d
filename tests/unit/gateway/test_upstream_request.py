"""A request's head: what was meant, or nothing."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headgate.gateway.upstream import NotReached
from headgate.gateway.upstream.request import NotSendable, Origin, base, head

AT = base("http://127.0.0.1:8000/v1")


@pytest.mark.parametrize(
    ("url", "origin", "authority", "path"),
    [
        ("http://127.0.0.1:8000/v1", Origin(tls=False, host="127.0.0.1", port=8000), "127.0.0.1:8000", "/v1"),
        ("http://127.0.0.1:8000/v1/", Origin(tls=False, host="127.0.0.1", port=8000), "127.0.0.1:8000", "/v1"),
        ("http://model.test", Origin(tls=False, host="model.test", port=80), "model.test", ""),
        ("http://model.test:80/v1", Origin(tls=False, host="model.test", port=80), "model.test", "/v1"),
        ("HTTPS://Model.Test/a/v1", Origin(tls=True, host="model.test", port=443), "model.test", "/a/v1"),
        ("https://model.test.:444", Origin(tls=True, host="model.test", port=444), "model.test:444", ""),
        ("https://[::1]:8443/v1", Origin(tls=True, host="::1", port=8443), "[::1]:8443", "/v1"),
        ("http://[2001:db8::1]/v1", Origin(tls=False, host="2001:db8::1", port=80), "[2001:db8::1]", "/v1"),
        ("http://bücher.test/ü v1", Origin(tls=False, host="xn--bcher-kva.test", port=80), "xn--bcher-kva.test", "/%C3%BC%20v1"),
    ],
)
def test_an_address_is_read(url: str, origin: Origin, authority: str, path: str) -> None:
    read = base(url)

    assert (read.origin, read.authority, read.path) == (origin, authority, path)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "what",
        "http:///v1",
        "ftp://model.test/v1",
        "//model.test/v1",
        "http://model.test:what/v1",
        "http://model.test:99999/v1",
        "http://[::1/v1",
        "http://somebody:secret@model.test/v1",
        "http://model.test/v1?key=secret",
        "http://model.test/v1#part",
        f"http://{'ü' * 70}.test/v1",
    ],
)
def test_what_is_no_address_is_reached_by_nobody_and_not_repeated(url: str) -> None:
    with pytest.raises(NotReached) as told:
        base(url)

    assert "secret" not in str(told.value)


def test_a_head_is_the_line_the_host_the_headers_as_they_are_and_the_length() -> None:
    headers = [("content-type", "application/json"), ("x-a", "1"), ("X-A", "2"), ("x-a", "ü\t3")]

    assert (
        head(AT, "POST", "/chat/completions?a=b%20c", headers, 12)
        == (
            "POST /v1/chat/completions?a=b%20c HTTP/1.1\r\nhost: 127.0.0.1:8000\r\ncontent-type: application/json\r\n"
            "x-a: 1\r\nX-A: 2\r\nx-a: ü\t3\r\ncontent-length: 12\r\n\r\n"
        ).encode()
    )


@pytest.mark.parametrize(
    ("method", "length", "expected"),
    [("GET", None, None), ("HEAD", None, None), ("DELETE", None, b"0"), ("POST", None, b"0"), ("POST", 0, b"0")],
)
def test_a_length_is_said_where_a_body_could_be(method: str, length: int | None, expected: bytes | None) -> None:
    lines = head(AT, method, "/models", [], length).split(b"\r\n")

    assert [line.partition(b": ")[2] for line in lines if line.startswith(b"content-length")] == [expected] * (
        expected is not None
    )


def lines_of(text: bytes) -> list[bytes]:
    """Split a head as the most tolerant of readers would."""
    return text.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")


@pytest.mark.parametrize(
    ("path", "value"), [("/\ud800", "a"), ("/x", "\ud800"), ("/x", "a\r\nx-forged: 1"), ("/x", "a\0"), ("/x", "\x7f")]
)
def test_what_cannot_be_sent_is_not(path: str, value: str) -> None:
    with pytest.raises(NotSendable):
        head(AT, "POST", path, [("x-a", value)], 3)


@settings(deadline=None)
@given(st.lists(st.tuples(st.text(max_size=20), st.text(max_size=40)), max_size=4))
def test_a_header_is_one_header_or_nothing_is_sent(headers: list[tuple[str, str]]) -> None:
    try:
        sent = head(AT, "POST", "/x", headers, 3)
    except NotSendable:
        return
    lines = lines_of(sent)
    assert len(lines) == len(headers) + 5
    assert lines[2:-3] == [f"{name}: {value}".encode() for name, value in headers]
    assert b"\0" not in sent


@settings(deadline=None)
@given(st.text(max_size=40))
def test_a_path_is_one_target(path: str) -> None:
    try:
        sent = head(AT, "GET", f"/{path}", [], None)
    except NotSendable:
        return  # half a character
    line, host, *_ = lines_of(sent)
    assert line.count(b" ") == 2
    assert line.startswith(b"GET /v1/")
    assert line.endswith(b" HTTP/1.1")
    assert b"#" not in line
    assert host == b"host: 127.0.0.1:8000"
