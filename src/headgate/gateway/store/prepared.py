"""Statements that are worked out once: what a store carries out with every request is not compiled, looked up or wrapped anew."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Mapping

    import sqlalchemy as sa
    from sqlalchemy.engine.interfaces import DBAPICursor
    from sqlalchemy.sql.compiler import SQLCompiler
    from sqlalchemy.sql.elements import CompilerElement


class Prepared:
    """One statement in the words of one database, for the driver's own cursor.

    Args:
        statement: It takes whole numbers and texts, which every driver takes as they are, and no list of unknown length.
        dialect: Whose words.
    """

    __slots__ = ("_given", "_order", "_text")

    def __init__(self, statement: CompilerElement, dialect: sa.Dialect) -> None:
        compiled = cast("SQLCompiler", statement.compile(dialect=dialect))
        self._text = compiled.string
        self._given: dict[str, Any] = dict(compiled.params)
        self._order = compiled.positiontup

    def on(self, cursor: DBAPICursor, values: Mapping[str, object]) -> DBAPICursor:
        """Carry it out and return the cursor, which holds what it returns."""
        given = {**self._given, **values}
        cursor.execute(self._text, given if self._order is None else [given[name] for name in self._order])
        return cursor
