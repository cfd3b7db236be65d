"""Run the small model: ``python -m headgate.testing.small_model``."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
from typing import TYPE_CHECKING

import uvloop

from headgate.adapters.serving import Server
from headgate.bootstrap.processes.parent import end_with_parent
from headgate.bootstrap.processes.ports import PortTaken, listener
from headgate.testing.small_model import faults, prose
from headgate.testing.small_model.answer import SmallModel
from headgate.testing.small_model.app import Application

if TYPE_CHECKING:
    import socket

DEFAULT_NAME = "small-model"


def main() -> None:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser(
        prog="python -m headgate.testing.small_model",
        description="A stand-in for a model server, not a language model: the OpenAI chat API over a table of word trigrams.",
        epilog=faults.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=8901, help="TCP port (default: %(default)s)")
    parser.add_argument("--model", action="append", metavar="NAME", help=f"name to serve; repeatable (default: {DEFAULT_NAME})")
    parser.add_argument(
        "--tokens-per-second", type=float, default=0.0, metavar="RATE", help="how fast it speaks; 0, the default, for at once"
    )
    parser.add_argument("--with-parent", action="store_true", help="end when the process that started this one ends")
    given = parser.parse_args()
    if given.with_parent:
        end_with_parent()
    try:
        listening = listener(given.host, given.port)
    except PortTaken as taken:
        raise SystemExit(taken.message) from None
    names = given.model or [DEFAULT_NAME]
    application = Application(SmallModel(prose.PROSE), names, tokens_per_second=given.tokens_per_second)
    print(  # noqa: T201 - this is a command
        f"{', '.join(names)} (a stand-in, not a model) at http://{given.host}:{given.port}/v1", file=sys.stderr, flush=True
    )
    uvloop.run(_serve(application, listening))


async def _serve(application: Application, listening: socket.socket) -> None:
    """Serve until a signal comes."""
    told_to_stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, told_to_stop.set)
    Server(application).listen(listening)
    await told_to_stop.wait()
    os._exit(0)  # nothing needs saving, and a stream that stalls must not hold the process back


if __name__ == "__main__":
    main()
