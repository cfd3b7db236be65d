"""A small model server of our own, plainly a stand-in: it speaks the OpenAI chat API and strings words together.

Its sentences come from a trigram table over a page of prose about canals that was written for it; they are determined by
the messages and the ``seed``. Everything around the words is meant to be as a real server has it: streams, tool calls,
log-probabilities, stop sequences, token counts, errors, and an end to the work when the caller hangs up. It can also be
asked to fail in the ways that servers fail (``faults``). Run ``python -m headgate.testing.small_model --help``.
"""
