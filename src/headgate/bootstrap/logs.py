"""How events are logged: one line each on standard error, JSON unless a person is looking.

An event is a name and fields. A prompt, an answer, a key or a token is never a field; whoever logs decides that by what they
pass, and ``tests/architecture`` looks for the likely mistakes.
"""

from __future__ import annotations

import logging
import sys

import structlog

_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


def configure(level: str) -> None:
    """Set up logging for this process.

    Args:
        level: Least severe event that is written: ``debug``, ``info``, ``warning`` or ``error``.
    """
    to_person = sys.stderr.isatty()
    render = structlog.dev.ConsoleRenderer() if to_person else structlog.processors.JSONRenderer(sort_keys=True)
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.StackInfoRenderer(),
            structlog.processors.format_exc_info if not to_person else _keep,
            render,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )


def _keep(_logger: object, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    return event
