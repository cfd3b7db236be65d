from __future__ import annotations

import pytest
import scipy.special

from headgate.stats import special


@pytest.mark.parametrize("name", special.__all__)
def test_each_is_scipys(name: str) -> None:
    assert getattr(special, name) is getattr(scipy.special, name)


def test_no_other_is_found() -> None:
    with pytest.raises(AttributeError, match="zeta"):
        special.zeta  # noqa: B018
