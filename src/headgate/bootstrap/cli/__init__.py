"""The command line: its root, and the commands of each subject with the house that they act in.

Every module but ``root`` and ``written`` has a function ``commands`` that takes the terminal and returns a ``typer.Typer``.
"""

from __future__ import annotations

from headgate.bootstrap.cli.root import application, main, whole_application

__all__ = ["application", "main", "whole_application"]
