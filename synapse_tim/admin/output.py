"""Output that the commands share: JSON for scripts, tables for people, progress, times."""

import argparse
import contextlib
import datetime as dt
import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from rich.console import Console
from rich.table import Table

#: Output is never interpreted as markup.
_LITERAL: Final[dict[str, Any]] = {"highlight": False, "markup": False, "emoji": False}


def print_json(document: Mapping[str, object]) -> None:
    """Print one JSON object on standard output."""
    print(json.dumps(document, ensure_ascii=False, indent=2))


def print_facts(facts: Iterable[tuple[str, object]]) -> None:
    """Print names and values below each other."""
    table = Table(show_header=False, box=None, pad_edge=False)
    for _ in ("name", "value"):
        table.add_column(overflow="fold")
    for name, value in facts:
        table.add_row(name, str(value))
    Console(width=_width(), soft_wrap=True, **_LITERAL).print(table)


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]], *, title: str | None = None) -> None:
    """Print a table; without a terminal it is as wide as it needs to be."""
    table = Table(title=title, title_justify="left")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*row)
    Console(width=_width(), **_LITERAL).print(table)


def markdown_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table for the documentation."""
    lines = (" | ".join(cell.replace("|", "&#124;") for cell in row) for row in (columns, *rows))
    head, *body = (f"| {line} |" for line in lines)
    return "\n".join((head, "|" + "---|" * len(columns), *body))


def _width() -> int | None:
    """That of the terminal; without one enough for most lines."""
    return None if sys.stdout.isatty() else 200


@contextlib.contextmanager
def progress(what: str) -> Iterator[None]:
    """Show on a terminal that something is going on; nothing is left behind."""
    console = Console(stderr=True, highlight=False)
    if not console.is_terminal:
        yield
        return
    with console.status(what):
        yield


def moment(text: str) -> dt.datetime:
    """A time that was given as an argument, in UTC unless it names a zone; for ``argparse``."""
    try:
        found = dt.datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not an ISO 8601 time") from None
    return found if found.tzinfo else found.replace(tzinfo=dt.UTC)
