"""Windows of text: whatever is looked at when, no passage as short as the overlap escapes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from headgate.gateway.service.screening import Window
from headgate.gateway.wire.surface import Piece

OVERLAP = 8
channels = st.sampled_from(["content/0", "content/1", "reasoning/0"])
steps = st.lists(st.one_of(st.tuples(channels, st.text(max_size=12)), st.none()), max_size=40)


@given(steps, st.data())
def test_every_passage_within_the_overlap_is_looked_at_in_one_piece(
    told: list[tuple[str, str] | None], data: st.DataObject
) -> None:
    window = Window(OVERLAP)
    whole: dict[str, str] = {}
    seen: list[str] = []
    for step in [*told, None]:
        if step is None:
            seen += window.texts()
            window.looked()
            assert window.size == 0
        else:
            channel, text = step
            window.add([Piece(channel, text)])
            whole[channel] = whole.get(channel, "") + text

    for text in whole.values():
        if text:
            start = data.draw(st.integers(0, len(text) - 1))
            passage = text[start : start + OVERLAP]
            assert any(passage in looked_at for looked_at in seen)


def test_texts_are_looked_at_apart() -> None:
    window = Window(OVERLAP)
    window.add([Piece("content/0", "sa"), Piece("content/1", "fine"), Piece("content/0", "rin")])

    assert sorted(window.texts()) == ["fine", "sarin"]
    assert window.size == 9
