"""Records which tests ran on which Synapse (``pytest --record-tested FILE``), and prints the table of it.

``python -m tests.support.tested`` writes the table into docs/installation.md.
"""

import datetime
import json
import platform
from collections import Counter
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
RECORD = ROOT / "tests" / "tested.json"
PAGE = ROOT / "docs" / "installation.md"
BEGIN, END = "<!-- what was tested -->\n", "<!-- end of what was tested -->\n"
#: By the folder that a test is in.
LAYERS = {"module": "wiring", "e2e": "on real servers", "workers": "on real servers"}
OTHER = "without Synapse"
OUTCOMES = ("passed", "failed", "skipped")


def pytest_addoption(parser):
    parser.addoption(
        "--record-tested", metavar="FILE", type=Path, help="note in a JSON file what ran on this Synapse"
    )


def pytest_terminal_summary(terminalreporter, config):
    """Note the outcomes, in the process that has them all."""
    file = config.getoption("--record-tested")
    if file is None or hasattr(config, "workerinput"):
        return
    found = Counter()
    for outcome, counted in (*((each, each) for each in OUTCOMES), ("error", "failed")):
        for report in terminalreporter.stats.get(outcome, ()):
            found[layer(report.nodeid, config), counted] += 1
    record(file, found)


def layer(nodeid, config):
    """What kind of test it is."""
    folders = nodeid.partition("::")[0].split("/")
    name = next((LAYERS[each] for each in folders if each in LAYERS), OTHER)
    several = config.getoption("--with-workers") or "workers" in folders
    return f"{name}, several processes" if name == "on real servers" and several else name


def record(file, found, **versions):
    """Add what ran to what is there; a kind of tests replaces what is noted about it.

    Args:
        file: JSON, made if it is not there.
        found: how many, by kind and outcome.
        versions: of Synapse and Python, if not those that are installed.
    """
    synapse = versions.get("synapse") or metadata.version("matrix-synapse")
    python = versions.get("python") or ".".join(platform.python_version_tuple()[:2])
    known = json.loads(file.read_text()) if file.exists() else {}
    entry = known.setdefault(f"{synapse} on Python {python}", {})
    entry.update(
        synapse=synapse,
        python=python,
        day=datetime.datetime.now(datetime.UTC).date().isoformat(),
        packages={name: metadata.version(name) for name in ("twisted", "pydantic", "txredisapi")},
    )
    for name in {name for name, _ in found}:
        numbers = {outcome: found[name, outcome] for outcome in OUTCOMES}
        entry.setdefault("tests", {})[name] = numbers
    file.write_text(json.dumps(known, indent=2, sort_keys=True) + "\n")


def table(known):
    """What was noted, in Markdown, the newest Synapse first."""
    lines = [
        "| Synapse | Python | txredisapi | day | tests | passed | failed | skipped |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for entry in sorted(known.values(), key=newest_first, reverse=True):
        about = (entry["synapse"], entry["python"], entry["packages"]["txredisapi"], entry["day"])
        for name, numbers in sorted(entry["tests"].items()):
            cells = (*about, name, *(f"{numbers[outcome]:,}" for outcome in OUTCOMES))
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def newest_first(entry):
    major, minor, patch = entry["synapse"].split(".")
    return int(major), int(minor), patch, entry["python"]


def page(text, known):
    """The text of a page with the table in its place."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{table(known)}\n{END}{after}"


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(), json.loads(RECORD.read_text())))
