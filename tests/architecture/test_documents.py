"""What is generated is fresh, and codes are used once."""

from __future__ import annotations

from pathlib import Path

import pytest

from headgate.bootstrap.documents import DIRECTORY, all_errors, documents

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", sorted(documents()))
def test_a_generated_document_is_fresh(name: str) -> None:
    assert (ROOT / DIRECTORY / name).read_text("utf-8") == documents()[name], "run `make docs`"


def test_an_error_code_is_used_once() -> None:
    codes = [error.code for error in all_errors()]
    assert sorted(codes) == sorted(set(codes))


def test_every_error_says_what_it_means() -> None:
    assert not [error.__name__ for error in all_errors() if not error.__doc__]
