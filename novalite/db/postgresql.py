"""A cursor of psycopg that describes a result only to whom asks for more than whether there is one.

SQLAlchemy asks after every statement, and looks into the answer at the first result of each statement; an object for
each column took psycopg a third of the time of a wide row.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, overload

import psycopg


class _Description(Sequence[Any]):
    """The columns of a result, made when they are looked at."""

    __slots__ = ("_columns", "_cursor", "_size")

    def __init__(self, cursor: psycopg.Cursor[Any], size: int) -> None:
        self._cursor, self._size = cursor, size
        self._columns: list[psycopg.Column] | None = None

    def __len__(self) -> int:
        return self._size

    @overload
    def __getitem__(self, index: int) -> Any: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Any]: ...
    def __getitem__(self, index: int | slice) -> Any:
        if self._columns is None:
            self._columns = [psycopg.Column(self._cursor, i) for i in range(self._size)]
        return self._columns[index]


class Cursor(psycopg.Cursor[Any]):
    """See the module."""

    @property
    def description(self) -> Any:
        """As psycopg's; its columns must be looked at before the cursor runs another statement."""
        if self.pgresult is not None and (size := self.pgresult.nfields):
            return _Description(self, size)
        return super().description
