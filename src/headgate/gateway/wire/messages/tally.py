"""What a message has used, put together from counts that come in parts.

Counts are cumulative: of each, the most that was said holds. They may leave out what the server did besides, such as summarising
what came before or asking an adviser; it lists all it did as iterations, and what was used is then their sum.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from headgate.gateway.wire.surface import MOST_TOKENS, Usage


class _Counts(msgspec.Struct):
    input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    output_tokens: int | None = None
    iterations: msgspec.Raw = msgspec.Raw(b"null")

    def prompt(self) -> int | None:
        """Return the tokens of the prompt, wherever they were read from."""
        if self.input_tokens is None:
            return None
        return self.input_tokens + (self.cache_creation_input_tokens or 0) + (self.cache_read_input_tokens or 0)


_COUNTS = msgspec.json.Decoder(_Counts)
_ITERATIONS: msgspec.json.Decoder[list[_Counts] | None] = msgspec.json.Decoder(list[_Counts] | None)


@dataclass(slots=True)
class Tally:
    """Counts as far as they have been said."""

    prompt_tokens: int | None = None
    output_tokens: int | None = None
    listed_prompt: int = 0
    listed_completion: int = 0
    sane: bool = True

    def add(self, raw: msgspec.Raw) -> bool:
        """Take in counts; return whether they count the answer."""
        if bytes(raw) == b"null":
            return False
        try:
            counts = _COUNTS.decode(raw)
        except msgspec.DecodeError:
            self.sane = False
            return False
        prompt = counts.prompt()
        if prompt is not None:
            self.prompt_tokens = max(self.prompt_tokens or 0, prompt)
        if counts.output_tokens is not None:
            self.output_tokens = max(self.output_tokens or 0, counts.output_tokens)
        said = (counts.input_tokens, counts.cache_creation_input_tokens, counts.cache_read_input_tokens, counts.output_tokens)
        self.sane = self.sane and all(count is None or 0 <= count <= MOST_TOKENS for count in said)
        self._iterations(counts.iterations)
        return counts.output_tokens is not None

    def usage(self) -> Usage | None:
        """Return what was used, if that can be believed."""
        if not self.sane or self.prompt_tokens is None or self.output_tokens is None:
            return None
        prompt = max(self.prompt_tokens, self.listed_prompt)
        completion = max(self.output_tokens, self.listed_completion)
        return Usage(prompt, completion) if prompt <= MOST_TOKENS and completion <= MOST_TOKENS else None

    def _iterations(self, raw: msgspec.Raw) -> None:
        try:
            found = _ITERATIONS.decode(raw)
        except msgspec.DecodeError:
            return
        if found:
            self.listed_prompt = max(self.listed_prompt, sum(max(0, counts.prompt() or 0) for counts in found))
            self.listed_completion = max(self.listed_completion, sum(max(0, counts.output_tokens or 0) for counts in found))
