"""Tables for people, JSON for programs, progress on stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import click

FORMATS = ("table", "json", "value")


class Output:
    """Where results go. `form` is one of FORMATS; `quiet` leaves out progress."""

    def __init__(self, form: str = "table", quiet: bool = False) -> None:
        self.form, self.quiet = form, quiet

    def rows(self, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        """A list, one line each."""
        listed = [list(row) for row in rows]
        if self.form == "json":
            self._json([dict(zip(columns, row, strict=True)) for row in listed])
        elif self.form == "value":
            for row in listed:
                click.echo(" ".join(_text(value) for value in row))
        else:
            self._table(columns, listed)

    def record(self, record: Mapping[str, Any]) -> None:
        """One thing, a field per line."""
        if self.form == "json":
            self._json(dict(record))
        elif self.form == "value":
            for value in record.values():
                click.echo(_text(value))
        else:
            self._table(("field", "value"), [[key, value] for key, value in record.items()])

    def say(self, sentence: str) -> None:
        """A word to the person at the terminal, not part of the result."""
        if not self.quiet:
            click.echo(sentence, err=True)

    @contextmanager
    def progress(self, what: str) -> Iterator[Callable[[str], None]]:
        """Show a state as it changes: in place on a terminal, a line per change elsewhere."""
        last: list[str] = []
        live = sys.stderr.isatty()

        def show(state: str) -> None:
            if self.quiet or (last and last[-1] == state):
                return
            last.append(state)
            end = "" if live else "\n"
            sys.stderr.write(f"{chr(13) if live else ''}{what}: {state:<24}{end}")
            sys.stderr.flush()

        try:
            yield show
        finally:
            if live and last and not self.quiet:
                sys.stderr.write("\n")

    def _json(self, value: Any) -> None:
        click.echo(json.dumps(value, indent=2, default=str))

    def _table(self, columns: Sequence[str], rows: list[list[Any]]) -> None:
        from rich import box
        from rich.console import Console
        from rich.table import Table

        table = Table(*columns, box=box.ASCII2, header_style="bold", show_lines=False)
        for row in rows:
            table.add_row(*(_text(value) for value in row))
        # Piped output must not be cut at 80 columns.
        console = Console(width=None if sys.stdout.isatty() else 240, highlight=False, markup=False)
        console.print(table)


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, Mapping):
        return ", ".join(f"{k}={v}" for k, v in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return str(value)
