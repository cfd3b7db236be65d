"""Numbers of evidence as people read them."""

from __future__ import annotations

import math


def rate_text(rate: float) -> str:
    """Return a rate as plans write it: ``1.0e-3``, ``0.05``, ``0``."""
    if not math.isfinite(rate) or rate == 0 or abs(rate) >= 0.01:  # noqa: PLR2004 - a hundredth still reads well in full
        return f"{rate:.2g}"
    mantissa, _, exponent = f"{rate:.1e}".partition("e")
    return f"{mantissa}e{int(exponent)}"


def count_text(count: int, one: str, many: str | None = None) -> str:
    """Return a count with its noun: ``1 harm``, ``3,565 labels``, ``no harms``."""
    many = many or one + "s"
    return f"no {many}" if count == 0 else f"{count:,} {one if count == 1 else many}"
