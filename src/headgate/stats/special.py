"""Special functions of SciPy, read in when the first of them is asked for.

Reading them in takes longer than most commands take to run, and most commands ask for none.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scipy.special import bdtr, bdtrc, betainc, betaincinv, betaln, gammaincinv, gammaln, ndtr, ndtri, stdtrit

__all__ = ["bdtr", "bdtrc", "betainc", "betaincinv", "betaln", "gammaincinv", "gammaln", "ndtr", "ndtri", "stdtrit"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(name)
    function = getattr(importlib.import_module("scipy.special"), name)
    globals()[name] = function  # from now on it is found without being asked for
    return function
