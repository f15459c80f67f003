"""How fast and how small verifying and loading a federation list is, against the usual way of doing it.

Each measurement runs in a process of its own, on a list generated for it. Columns: time for verifying and
loading; memory needed on top of the list itself at the worst moment and afterwards; the longest time for
which another thread of the process, such as Synapse's reactor, could not run meanwhile. synapse_tim reads the
list in a process of its own, whose memory is gone afterwards and is not counted here.
"""

import argparse
import importlib.util
import json
import subprocess
import sys
import tempfile
from pathlib import Path

_HERE = Path(__file__).parent
_OURS, _BASELINE = "synapse_tim", "baseline"
_COLUMNS = ("entries", "variant", "time", "peak memory", "kept memory", "longest stall")


def main() -> int:
    arguments = _arguments()
    if missing := [name for name in ("jwcrypto", "pydantic") if importlib.util.find_spec(name) is None]:
        print(f"The baseline needs {' and '.join(missing)}: pip install {' '.join(missing)}", file=sys.stderr)
        return 2
    if not Path("/proc/self/clear_refs").exists():
        print("Memory is measured with Linux' /proc; it is not there.", file=sys.stderr)
        return 2
    results = [_compare(entries, arguments.runs) for entries in arguments.entries]
    if arguments.json:
        print(json.dumps(results, indent=2))
    else:
        _print_table(_rows(results), markdown=arguments.markdown)
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="Example: python tests/benchmarks/federation_list.py --entries 10000 150000 --markdown",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--entries",
        type=_count,
        nargs="+",
        metavar="N",
        default=[1_000, 10_000, 150_000, 500_000],
        help="sizes of the lists (default: %(default)s)",
    )
    parser.add_argument(
        "--runs", type=_count, default=5, metavar="K", help="runs whose median counts (default: %(default)s)"
    )
    output = parser.add_mutually_exclusive_group()
    output.add_argument("--json", action="store_true", help="everything measured, in seconds and bytes")
    output.add_argument("--markdown", action="store_true", help="the table in Markdown")
    return parser.parse_args()


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("has to be at least 1")
    return number


def _compare(entries: int, runs: int) -> dict[str, object]:
    with tempfile.TemporaryDirectory() as directory:
        _progress(f"{entries:,} entries: making the list")
        _run(
            ["-c", f"import generated, pathlib; generated.write_list(pathlib.Path({directory!r}), {entries})"]
        )
        octets = (Path(directory) / "list.jws").stat().st_size
        measured = {}
        for variant in (_OURS, _BASELINE):
            _progress(f"{entries:,} entries: {variant}, {2 * runs + 1} runs")
            measured[variant] = json.loads(
                _run([str(_HERE / "measured.py"), variant, directory, str(runs)]).stdout
            )
    ours, baseline = measured[_OURS], measured[_BASELINE]
    # Below what the system counts memory in, there is no ratio.
    ratios = {
        name: baseline[name] / ours[name] if ours[name] > 0 else None
        for name in ("seconds", "peak", "kept", "stall")
    }
    return {"entries": entries, "bytes": octets, **measured, "baseline_to_synapse_tim": ratios}


def _run(arguments: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments], cwd=_HERE, stdout=subprocess.PIPE, text=True, check=True
    )


def _progress(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _rows(results: list[dict[str, object]]) -> list[tuple[str, ...]]:
    rows = []
    for result in results:
        for variant in (_OURS, _BASELINE):
            found = result[variant]
            rows.append(
                (
                    f"{result['entries']:,}",
                    variant,
                    f"{found['seconds'] * 1000:,.1f} ms",
                    f"{found['peak'] / 1e6:,.1f} MB",
                    f"{found['kept'] / 1e6:,.1f} MB",
                    f"{found['stall'] * 1000:,.1f} ms",
                )
            )
        ratios = result["baseline_to_synapse_tim"]
        shown = ("-" if ratio is None else f"{ratio:.1f} x" for ratio in ratios.values())
        rows.append(("", "baseline / synapse_tim", *shown))
    return rows


def _print_table(rows: list[tuple[str, ...]], *, markdown: bool) -> None:
    table = [_COLUMNS, *rows]
    widths = [max(len(row[i]) for row in table) for i in range(len(_COLUMNS))]
    for number, row in enumerate(table):
        cells = [
            cell.ljust(width) if i == 1 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        print(f"| {' | '.join(cells)} |" if markdown else "  ".join(cells))
        if number == 0:
            rules = ["-" * width if i == 1 else "-" * (width - 1) + ":" for i, width in enumerate(widths)]
            print(f"| {' | '.join(rules)} |" if markdown else "  ".join("-" * width for width in widths))


if __name__ == "__main__":
    sys.exit(main())
