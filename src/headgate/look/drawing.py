"""Draws charts and makes the browser's chart library, in a process of its own: ``python -m headgate.look.drawing svg|bundle``.

Both take a JavaScript engine, whose memory has no place in a process that serves people. It reads nothing from the network: the
library comes from the ``vl-convert-python`` wheel.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any, cast

import vl_convert

from headgate.look.workshop import SNIPPET, VEGA_LITE

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str]) -> None:
    """Write the library, or a list of drawings for a list of specifications, to standard output."""
    match list(arguments):
        case ["bundle"]:
            sys.stdout.write(vl_convert.javascript_bundle(SNIPPET, vl_version=VEGA_LITE))
        case ["svg"]:
            specs = cast("list[dict[str, Any]]", json.load(sys.stdin))
            made = [vl_convert.vegalite_to_svg(spec, vl_version=VEGA_LITE, allowed_base_urls=[]) for spec in specs]
            json.dump(made, sys.stdout)
        case _:
            sys.exit("usage: python -m headgate.look.drawing svg|bundle")


if __name__ == "__main__":
    main(sys.argv[1:])
