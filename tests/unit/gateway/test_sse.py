from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.gateway.wire.sse import Frames, FrameTooLong

LINE_ENDS = st.sampled_from(["\n", "\r", "\r\n"])
LINES = st.sampled_from(["data: {}", "data:x", "data", ": comment", "event: e", "id: 1", "data:  two", "retry: 5", "x"])


@st.composite
def streams(draw: st.DrawFn) -> tuple[bytes, list[bytes | None]]:
    """Return a stream and the data of its frames, as the specification reads them."""
    text, expected = "", list[bytes | None]()
    for lines in draw(st.lists(st.lists(LINES, min_size=1, max_size=4), max_size=5)):
        ending = draw(LINE_ENDS)  # one kind per frame: CR before LF would be one line end, not two
        text += "".join(line + ending for line in lines) + ending
        if ending == "\r":
            text += ": between\n\n"
        data = [line[5:].removeprefix(" ") for line in lines if line.startswith("data:")]
        expected.append("\n".join(data).encode() if data else None)
        if ending == "\r":
            expected.append(None)
    return text.encode(), expected


@given(streams(), st.data())
def test_frames_come_out_whole_however_the_bytes_come_in(stream: tuple[bytes, list[bytes | None]], data: st.DataObject) -> None:
    raw, expected = stream
    cuts = sorted(data.draw(st.sets(st.integers(0, len(raw)))))
    frames = Frames()
    found = [frame for start, end in zip([0, *cuts], [*cuts, len(raw)], strict=True) for frame in frames.feed(raw[start:end])]

    assert b"".join(frame.raw for frame in found) + b"".join(frame.raw for frame in frames.finish()) == raw
    assert [frame.data for frame in found if frame.data is not None] == [item for item in expected if item is not None]


def test_a_frame_that_does_not_end_is_given_up() -> None:
    frames = Frames(longest_bytes=10)
    frames.feed(b"data: 1234")

    with pytest.raises(FrameTooLong):
        frames.feed(b"5")
