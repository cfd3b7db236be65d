"""Evidence on the command line: hand it in, look at it, judge it, hand it on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from headgate.evidence.cli.adding import AddVerb
from headgate.evidence.cli.calibration import CalibrationVerb
from headgate.evidence.cli.judging import JudgeVerbs
from headgate.evidence.cli.looking import LookVerbs
from headgate.evidence.cli.reckoning import ReckonVerbs
from headgate.evidence.cli.session import Session

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Session", "commands"]


def commands(open_session: Callable[[], Session]) -> typer.Typer:
    """Return the verbs of ``headgate evidence``.

    Args:
        open_session: Opens evidence for whoever sits at the terminal; called when a verb runs, never before.
    """
    app = typer.Typer(help="Evidence from outside: evaluations, red teams, audits.", no_args_is_help=True)
    app.command("add")(AddVerb(open_session).add)
    looking = LookVerbs(open_session)
    judging = JudgeVerbs(open_session)
    for name, verb in (
        ("list", looking.list_),
        ("show", looking.show),
        ("export", looking.export),
        ("supersede", judging.supersede),
        ("finalise", judging.finalise),
        ("carry", judging.carry),
        ("dispose", judging.dispose),
    ):
        app.command(name)(verb)
    app.command("calibration")(CalibrationVerb(open_session).calibration)
    reckoning = ReckonVerbs(open_session)
    for verb in (reckoning.before_after, reckoning.compare, reckoning.holdback, reckoning.patient):
        app.command(verb.__name__.replace("_", "-"))(verb)
    return app
