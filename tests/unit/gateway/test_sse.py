from __future__ import annotations

import re
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from headgate.gateway.wire.sse import Frame, Frames, FrameTooLong

LINES = st.sampled_from(
    [
        b"data: {}",
        b"data:x",
        b"data",
        b"data:",
        b"data:  two",
        b"datafile: 1",
        b": comment",
        b":",
        b"event: e",
        b"id: 1",
        b"retry: 5",
        b"x",
        b'data: {"a":"\xe2\x80\xa8\xc2\x85\x0b\x0c\x1c"}',
        b"",
    ]
)
LINE_ENDS = st.sampled_from([b"\n", b"\r", b"\r\n"])
LINE = re.compile(rb"(.*?)(?:\r\n|\n|\r)", re.DOTALL)


@st.composite
def streams(draw: st.DrawFn) -> bytes:
    """Return lines with line ends of any kind, empty ones and runs of them included; many with one kind throughout."""
    one_kind = draw(st.none() | LINE_ENDS)
    ends = LINE_ENDS if one_kind is None else st.just(one_kind)
    lines = draw(st.lists(st.tuples(LINES, ends, st.sampled_from([0, 1, 1, 1, 2])), max_size=12))
    start = draw(st.sampled_from([b"", b"\xef\xbb\xbf", b"\n\n\n", b"\r\n"]))
    return start + b"".join(line + end * (1 + more) for line, end, more in lines)


def as_the_specification_reads(raw: bytes) -> list[bytes]:
    """Return the data of every event that a browser would dispatch: the specification, word for word."""
    data, events = b"", list[bytes]()
    for match in LINE.finditer(raw.removeprefix(b"\xef\xbb\xbf")):
        line = match[1]
        if not line:
            if data:
                events.append(data.removesuffix(b"\n"))
            data = b""
            continue
        name, _, value = line.partition(b":")
        if name == b"data":
            data += value.removeprefix(b" ") + b"\n"
    return [event for event in events if event]


def taken_apart(raw: bytes, cuts: list[int]) -> tuple[list[Frame], list[Frame]]:
    frames = Frames()
    found = [frame for start, end in pairwise([0, *cuts, len(raw)]) for frame in frames.feed(raw[start:end])]
    return found, frames.finish()


@given(streams(), st.data())
def test_frames_come_out_whole_however_the_bytes_come_in(raw: bytes, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.sets(st.integers(0, len(raw)))))

    found, rest = taken_apart(raw, cuts)

    assert b"".join(frame.raw for frame in found + rest) == raw
    seen = [frame.data for frame in found if frame.data is not None]
    expected = as_the_specification_reads(raw)
    assert seen == expected or (seen + [frame.data for frame in rest if frame.data is not None]) == expected


@given(streams())
@example(b"data: 1\r\n\r\ndata: 2\r\n\r\n")
@example(b"data: 1\r\rdata: 2\r\r")
@example(b"\xef\xbb\xbfdata: 1\n\n\n\n: c\n\nevent: e\ndata: 2\n\n")
def test_every_single_place_to_split_gives_the_same_events(raw: bytes) -> None:
    whole = [frame.data for frames in taken_apart(raw, []) for frame in frames if frame.data is not None]

    for at in range(len(raw) + 1):
        found, rest = taken_apart(raw, [at])
        assert [frame.data for frame in found + rest if frame.data is not None] == whole
    found, rest = taken_apart(raw, list(range(1, len(raw))))
    assert [frame.data for frame in found + rest if frame.data is not None] == whole


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\n"])
def test_a_frame_ends_with_its_own_line_end_whatever_the_split(end: bytes) -> None:
    frames = [b"event: a" + end + b"data: 1" + end + end, b"data: [DONE]" + end + end]
    raw = b"".join(frames)

    for at in range(len(raw) + 1):
        found, rest = taken_apart(raw, [at])
        assert [frame.raw for frame in found + rest] == frames
        assert [frame.data for frame in found + rest] == [b"1", b"[DONE]"]


def test_a_frame_is_handed_on_as_soon_as_it_is_whole() -> None:
    for raw in (b"data: 1\n\n", b"data: 1\r\r", b"data: 1\r\n\r\n", b": keep-alive\n\n", b"\n\n"):
        assert [frame.raw for frame in Frames().feed(raw)] == [raw]


@pytest.mark.parametrize(
    ("raw", "data"),
    [
        (b'data: {"a":1}\n\n', b'{"a":1}'),
        (b'data:{"a":1}\n\n', b'{"a":1}'),
        (b'event: x\ndata: {"a":1}\n\n', b'{"a":1}'),
        (b'event:x\ndata:{"a":1}\n\n', b'{"a":1}'),
        (b'data: {"a":1}\nevent: x\n\n', b'{"a":1}'),
        (b'data: {"a":\ndata: 1}\n\n', b'{"a":\n1}'),
        (b'event: x\nid: 4\ndata: {"a":1}  \n\n', b'{"a":1}  '),
        (b": comment\ndata: 1\n\n", b"1"),
        (b"\n\n\ndata: 1\n\n", b"1"),
        (b"data: 1\n: comment\n\n", b"1"),
        (b"data:   \n\n", b"  "),
        (b"data:\n\n", None),
        (b"data\n\n", None),
        (b"event: ping\n\n", None),
        (b": data: 1\n\n", None),
        (b"database: 1\n\n", None),
        (b"xdata: 1\n\n", None),
    ],
)
def test_the_data_of_a_frame_is_its_data_lines_wherever_they_stand(raw: bytes, data: bytes | None) -> None:
    assert [frame.data for frame in Frames().feed(raw) if frame.data is not None] == ([] if data is None else [data])


def test_a_frame_that_does_not_end_is_given_up() -> None:
    frames = Frames(longest_bytes=10)
    frames.feed(b"data: 1234")

    with pytest.raises(FrameTooLong):
        frames.feed(b"5")


def test_the_bound_is_on_a_frame_and_not_on_a_stream() -> None:
    frames = Frames(longest_bytes=10)

    for _ in range(5):
        assert frames.feed(b"data: 12") == []
        assert len(frames.feed(b"\n\n")) == 1


def test_a_frame_of_megabytes_is_put_together_from_small_pieces() -> None:
    raw = b"event: image\ndata: " + b"A" * 4_000_000 + b"\n\n"

    found, rest = taken_apart(raw, list(range(1000, len(raw), 1000)))

    assert [frame.raw for frame in found] == [raw]
    assert rest == []
