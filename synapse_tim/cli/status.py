"""``synapse-tim status``: how the lists of many homeservers are, from their metrics."""

import argparse
import datetime as dt
import re
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import attrs
from prometheus_client.parser import text_string_to_metric_families

from synapse_tim.admin.output import print_json, print_table, progress
from synapse_tim.check.files import read_yaml
from synapse_tim.cli.settings import CommandError
from synapse_tim.transport.errors import TransportError
from synapse_tim.transport.fetcher import Fetcher
from synapse_tim.transport.tls import client_context

_EXAMPLE: Final = """\
Example: synapse-tim status clinic=http://10.0.0.5:9000 clinic=http://10.0.0.5:9001 other=http://10.0.0.6:9000
         synapse-tim status --targets /etc/prometheus/homeservers.yaml --json
"""
_PATH: Final = "/_synapse/metrics"
_MAX_BYTES: Final = 32 * 1024 * 1024
_SECONDS: Final = 10.0
_AT_ONCE: Final = 16
_SIGNER_DAYS: Final = 30
_LIST: Final = "synapse_tim_federation_list_"


@attrs.frozen
class Process:
    """What the metrics of one process say; ``None`` for what they do not."""

    url: str
    error: str | None = None  #: why there are none; the rest is ``None`` then
    version: int | None = None
    confirmed_at: float | None = None
    stale: bool | None = None
    signer_expires_at: float | None = None
    own_domain_listed: bool | None = None
    refusals_per_hour: float | None = None


def add_command(commands: Any) -> None:
    """Add ``status`` to the commands."""
    parser = commands.add_parser(
        "status",
        help="show how the federation lists of many homeservers are, from their metrics",
        description=(
            "Exit code 0: all are well; 1: one has no usable list, is not in it, cannot be reached, or the"
            f" signer of its list expires within {_SIGNER_DAYS} days."
        ),
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "endpoints",
        nargs="*",
        metavar="[NAME=]URL",
        help=f"metrics of a process (default path: {_PATH}); processes of one homeserver have one NAME",
    )
    parser.add_argument(
        "--targets",
        action="append",
        default=[],
        metavar="FILE",
        help="targets as Prometheus has them in file_sd files; the label job is the NAME",
    )
    parser.add_argument("--ca-certificates", metavar="FILE", help="PEM file with the CAs for https")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Show how they are."""
    homeservers: dict[str, list[str]] = {}
    for name, url in [*map(_endpoint, options.endpoints), *_from_files(options.targets)]:
        homeservers.setdefault(name, []).append(url)
    if not homeservers:
        raise CommandError("name at least one endpoint, or a file with --targets")
    now = dt.datetime.now(dt.UTC).timestamp()
    try:
        fetcher = Fetcher(client_context(options.ca_certificates))
    except OSError as error:
        raise CommandError(f"--ca-certificates: {error}") from None
    urls = [url for each in homeservers.values() for url in each]
    with progress(f"Asking {len(urls)} processes"), ThreadPoolExecutor(_AT_ONCE) as pool:
        processes = dict(zip(urls, pool.map(lambda url: _ask(fetcher, url, now), urls), strict=True))
    rows = [_summary(name, [processes[url] for url in urls], now) for name, urls in homeservers.items()]
    wrong = sum(bool(row["problems"]) for row in rows)
    if options.json:
        print_json({"homeservers": rows, "summary": {"homeservers": len(rows), "with_problems": wrong}})
    else:
        _print(rows)
        print(f"{len(rows)} homeservers, {wrong} with problems")
    return 1 if wrong else 0


def _endpoint(text: str) -> tuple[str, str]:
    """Name and URL; the name is host and port if there is none.

    Raises:
        CommandError: it is no URL.
    """
    name, _, url = text.partition("=") if re.match(r"[^/:=]+=", text) else ("", "", text)
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise CommandError(f"{text!r}: expected [NAME=]URL, such as clinic=http://10.0.0.5:9000")
    if parts.path in ("", "/"):
        url = parts._replace(path=_PATH).geturl()
    return name or parts.netloc.rpartition("@")[2], url


def _from_files(files: Iterable[str]) -> Iterable[tuple[str, str]]:
    for file in files:
        groups = read_yaml(Path(file))
        for group in groups if isinstance(groups, list) else [None]:
            labels = group.get("labels") if isinstance(group, Mapping) else None
            targets = group.get("targets") if isinstance(group, Mapping) else None
            labels = labels if isinstance(labels, Mapping) else {}
            if not isinstance(targets, list):
                raise CommandError(f"{file}: expected a list of targets with labels, as Prometheus' file_sd")
            for target in targets:
                scheme, path = labels.get("__scheme__", "http"), labels.get("__metrics_path__", _PATH)
                yield str(labels.get("job", target)), _endpoint(f"{scheme}://{target}{path}")[1]


def _ask(fetcher: Fetcher, url: str, now: float) -> Process:
    try:
        response = fetcher.get(url, max_bytes=_MAX_BYTES, deadline=_SECONDS)
    except TransportError as error:
        return Process(url, error=str(error))
    if response.status != 200:
        return Process(url, error=f"status {response.status}")
    try:
        return _read(url, bytes(response.body).decode(), now)
    except ValueError as error:
        return Process(url, error=f"no metrics: {str(error)[:80]}")


def _read(url: str, text: str, now: float) -> Process:
    values: dict[str, float] = {}
    refused = 0.0
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name == "synapse_tim_decisions_total":
                refused += sample.value if sample.labels.get("outcome") == "denied" else 0
            elif not sample.labels:
                values[sample.name] = sample.value
    if f"{_LIST}stale" not in values:
        return Process(url, error="synapse_tim is not loaded there")
    version, listed = values.get(f"{_LIST}version", 0), values.get(f"{_LIST}own_domain_listed")
    started = values.get("process_start_time_seconds")
    hours = max((now - started) / 3600, 1 / 60) if started is not None else None
    return Process(
        url,
        version=int(version),
        confirmed_at=values.get(f"{_LIST}last_confirmed_timestamp_seconds") or None,
        stale=bool(values[f"{_LIST}stale"]),
        signer_expires_at=values.get(f"{_LIST}signer_expiry_timestamp_seconds") or None,
        own_domain_listed=None if listed is None else bool(listed),
        refusals_per_hour=None if hours is None else refused / hours,
    )


def _summary(name: str, processes: Sequence[Process], now: float) -> dict[str, Any]:
    """One homeserver: of each value that of the process that is worst off."""
    answering = [each for each in processes if each.error is None]

    def known(attribute: str) -> list[Any]:
        found = (getattr(each, attribute) for each in answering)
        return [value for value in found if value is not None]

    confirmed, expiry = (
        min(known("confirmed_at"), default=None),
        min(known("signer_expires_at"), default=None),
    )
    rates = known("refusals_per_hour")
    row: dict[str, Any] = {
        "name": name,
        "version": min(known("version"), default=None),
        "age_seconds": None if confirmed is None else max(0, round(now - confirmed)),
        "stale": any(known("stale")) if answering else None,
        "signer_not_after": None if expiry is None else _moment(expiry),
        "own_domain_listed": all(known("own_domain_listed")) if known("own_domain_listed") else None,
        "refusals_per_hour": round(sum(rates), 1) if rates else None,
        "processes": len(processes),
        "unreachable": [{"url": each.url, "error": each.error} for each in processes if each.error],
    }
    problems = [f"{each['url']}: {each['error']}" for each in row["unreachable"]]
    if row["stale"]:
        problems.append("no list" if row["version"] == 0 else "stale")
    if row["own_domain_listed"] is False:
        problems.append("not in the list")
    if expiry is not None and expiry - now < _SIGNER_DAYS * 86400:
        problems.append("the signer expires")
    if len(set(known("version"))) > 1:
        row["versions"] = sorted(set(known("version")))
    return {**row, "problems": problems}


def _moment(seconds: float) -> str:
    return f"{dt.datetime.fromtimestamp(seconds, dt.UTC):%Y-%m-%dT%H:%M:%SZ}"


def _print(rows: Sequence[Mapping[str, Any]]) -> None:
    def text(value: object) -> str:
        if value is None:
            return "?"
        return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)

    print_table(
        ("homeserver", "version", "age", "stale", "signer until", "listed", "refusals/h", "problems"),
        (
            (
                row["name"],
                ", ".join(map(str, row.get("versions", [text(row["version"])]))),
                "?" if row["age_seconds"] is None else str(dt.timedelta(seconds=row["age_seconds"])),
                text(row["stale"]),
                "?" if row["signer_not_after"] is None else row["signer_not_after"][:10],
                text(row["own_domain_listed"]),
                text(row["refusals_per_hour"]),
                "; ".join(row["problems"]),
            )
            for row in rows
        ),
    )
