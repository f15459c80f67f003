"""What is printed: progress, a table for people, and everything in JSON for scripts."""

import contextlib
import os
import platform
import statistics
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import version

from ratios import Comparison
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from synapse_tim.admin.output import print_json

_COLUMNS = ("ratio", "middle half", "95 %", "target", "samples")
_WIDTH = 125


@contextlib.contextmanager
def progress(rounds: int) -> Iterator[Callable[[str, int], None]]:
    """Say on standard error what is going on and how many rounds are done."""
    console = Console(stderr=True, highlight=False)
    with Progress(console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=rounds)

        def say(text: str, done: int) -> None:
            bar.update(task, description=text, completed=done)
            if not console.is_terminal:
                console.print(text)

        yield say


def show(comparisons: Sequence[Comparison], baseline: str, other: str, rounds: int, *, as_json: bool) -> None:
    """Print all comparisons.

    Args:
        comparisons: in the order of the table.
        baseline: what was compared.
        other: with what.
        rounds: how many there were.
        as_json: with the value of every sample.
    """
    machine = (
        f"Synapse {version('matrix-synapse')} on SQLite, Python {platform.python_version()}, "
        f"{os.cpu_count()} processors"
    )
    if as_json:
        lines = [_document(line) for line in comparisons]
        print_json(
            {"baseline": baseline, "other": other, "machine": machine, "rounds": rounds, "lines": lines}
        )
        return
    table = Table(box=None, pad_edge=False, title=f"Rounds: {rounds}. {machine}", title_justify="left")
    table.add_column(no_wrap=True)
    for heading in (baseline, other, *_COLUMNS):
        table.add_column(heading, justify="right", no_wrap=True)
    for line in comparisons:
        table.add_row(*_row(line))
    Console(highlight=False, width=max(_WIDTH, Console().width)).print(table)


def _row(line: Comparison) -> tuple[str, ...]:
    return (
        line.name,
        _median(line.baseline, line.unit),
        _median(line.other, line.unit),
        f"{line.ratio * 100:.1f} %",
        _span(line.middle_half),
        _span(line.interval) if line.interval else "-",
        line.verdict,
        f"{len(line.ratios)} pairs of {line.requests}",
    )


def _document(line: Comparison) -> dict[str, object]:
    return {
        "load": line.load,
        "name": line.name.strip(),
        "unit": line.unit,
        "target": None if line.target is None else str(line.target),
        "ratio": line.ratio,
        "middle_half": line.middle_half,
        "interval_95": line.interval,
        "requests_per_sample": line.requests,
        "baseline": line.baseline,
        "other": line.other,
    }


def _median(values: Sequence[float], unit: str) -> str:
    return f"{statistics.median(values):.1f} {unit}"


def _span(ends: tuple[float, float]) -> str:
    return " to ".join(f"{end * 100:.1f}" for end in ends)
