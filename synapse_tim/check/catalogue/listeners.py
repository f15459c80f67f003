"""Checks of listeners and processes: reachability, and whether a process fetches the federation list."""

import ipaddress
from collections.abc import Iterable, Iterator
from typing import Any, Final

from synapse_tim.check.facts import Process, is_this_machine
from synapse_tim.core.checks import VIOLATION, WARNING, Check, Found

#: What other servers and clients talk to.
_PUBLIC: Final = frozenset({"client", "federation", "media", "openid", "keys", "consent", "static"})
_WILDCARDS: Final = frozenset({"", "*", "0.0.0.0", "::"})  # noqa: S104  # names them, binds nothing


def _is_public(address: str) -> bool:
    if address in _WILDCARDS:
        return True
    try:
        return ipaddress.ip_address(address.strip("[]")).is_global
    except ValueError:
        return not is_this_machine(address)


def _addresses(listener: Any) -> list[str]:
    """What it is bound to; nothing if that is a Unix socket."""
    return [str(address) for address in getattr(listener, "bind_addresses", ())]


def _public(listener: Any) -> list[str]:
    """The addresses that can be reached from outside."""
    return [address for address in _addresses(listener) if _is_public(address)]


def _other_machines(listener: Any) -> list[str]:
    """The addresses that other machines reach."""
    return [address for address in _addresses(listener) if not is_this_machine(address)]


def _resources(listener: Any) -> set[str]:
    options = listener.http_options
    return set() if options is None else {name for each in options.resources for name in each.names}


def _http(process: Process, *resources: str) -> Iterator[tuple[str, Any]]:
    for key, listener in process.listeners():
        if not _resources(listener).isdisjoint(resources):
            yield key, listener


def _where(addresses: Iterable[str]) -> str:
    return ", ".join(address or "all addresses" for address in addresses)


def _encryption(process: Process) -> Iterable[Found]:
    for key, listener in _http(process, *_PUBLIC, "replication"):
        others = _other_machines(listener)
        if listener.is_tls():
            yield Found("TLS", True, key)
        else:
            yield Found(
                f"unencrypted on {_where(others)}" if others else "this machine only", not others, key
            )


def _admin_api(process: Process) -> Iterable[Found]:
    # Synapse serves it wherever it serves the client API.
    for key, listener in _http(process, "client"):
        public = _public(listener) if listener.is_tls() else []
        yield Found(f"client on {_where(public)}" if public else "not public", not public, key)


def _replication(process: Process) -> Iterable[Found]:
    for key, listener in _http(process, "replication"):
        public = _public(listener)
        if not public:
            yield Found("not public", True, key)
            continue
        secret = bool(process.option("worker", "worker_replication_secret"))
        found = f"{_where(public)}, {'with' if secret else 'without'} worker_replication_secret"
        yield Found(found, False, key, verdict=WARNING if secret else VIOLATION)


def _manhole(process: Process) -> Iterable[Found]:
    for key, listener in process.listeners():
        if listener.type == "manhole":
            reached = _other_machines(listener)
            yield Found(_where(reached) if reached else "this machine only", not reached, key)


def _metrics_listeners(process: Process) -> list[tuple[str, Any]]:
    return [
        (key, listener)
        for key, listener in process.listeners()
        if listener.type == "metrics" or "metrics" in _resources(listener)
    ]


def _public_metrics(process: Process) -> Iterable[Found]:
    for key, listener in _metrics_listeners(process):
        public = _public(listener)
        yield Found(_where(public) if public else "not public", not public, key)


def _metrics(process: Process) -> Iterable[Found]:
    if not process.option("metrics", "enable_metrics"):
        yield Found("enable_metrics: false", False, "enable_metrics")
    else:
        served = bool(_metrics_listeners(process))
        yield Found("a listener" if served else "no listener of the type metrics", served)


def _forwarded(process: Process) -> Iterable[Found]:
    for key, listener in _http(process, "client", "federation"):
        if not listener.is_tls():
            believed = listener.http_options.x_forwarded
            yield Found(str(believed).lower(), bool(believed), key)


def _believed_headers(process: Process) -> Iterable[Found]:
    for key, listener in _http(process, "client", "federation"):
        if listener.is_tls() and _public(listener):
            believed = listener.http_options.x_forwarded
            yield Found(str(believed).lower(), not believed, key)


def _federation(process: Process) -> Iterable[Found]:
    served = [each.name for each in process.homeserver.processes if any(_http(each, "federation"))]
    yield Found(", ".join(served) or "none", bool(served))


def _background_tasks(process: Process) -> Iterable[Found]:
    processes = process.homeserver.processes
    running = [each.name for each in processes if each.option("worker", "run_background_tasks")]
    if running:
        yield Found(", ".join(running), True)
        return
    wanted = process.document.get("run_background_tasks_on")
    wanted = wanted if isinstance(wanted, str) and wanted else "main"
    workers_known = any(each.is_worker for each in processes)
    yield Found(
        f"{wanted}, which is none of: {', '.join(each.name for each in processes)}",
        False,
        reason=None if workers_known else "name the file of that worker with --worker",
        verdict=VIOLATION if workers_known else WARNING,
    )


# fmt: off
CHECKS: Final = (
    Check("listeners.tls", "listeners", "A_22929", VIOLATION, _encryption,
          "tls: true, or bound to this machine only, behind a reverse proxy",
          "every connection between machines has to be encrypted, also the one from the reverse proxy"),
    Check("listeners.admin_api", "listeners", "R4.24", WARNING, _admin_api,
          "client only behind a reverse proxy",
          "the admin API is served there, too, and only a reverse proxy can keep /_synapse/admin and "
          "/_synapse/mas to those who may use them"),
    Check("listeners.replication", "listeners", "R4.24", VIOLATION, _replication,
          "an address that only workers reach",
          "any client of the replication listener can act as a part of this homeserver"),
    Check("listeners.manhole", "listeners", "R4.24", VIOLATION, _manhole, "this machine only, or none",
          "a login to the manhole permits anything, and its password is Synapse's default "
          "unless it was changed"),
    Check("listeners.metrics_address", "listeners", "R7.17", WARNING, _public_metrics,
          "an address that only the monitoring reaches", "the metrics listener has no access control"),
    Check("listeners.metrics", "listeners", "R7.17", WARNING, _metrics,
          "enable_metrics: true and a listener of the type metrics",
          "otherwise you do not see that the federation list is stale"),
    Check("listeners.x_forwarded", "listeners", "R4.8", WARNING, _forwarded,
          "x_forwarded: true behind a reverse proxy",
          "otherwise rate limits take all clients for one"),
    Check("listeners.x_forwarded_public", "listeners", "R4.8", WARNING, _believed_headers,
          "x_forwarded: false where clients come directly",
          "otherwise clients choose the address that rate limits count them by"),
    Check("listeners.federation", "listeners", "R1.19, R4.25", WARNING, _federation,
          "the resource federation in one process at least",
          "otherwise other members and the directory get no answer", of_deployment=True),
    Check("run_background_tasks_on", "run_background_tasks_on", "R1.11", VIOLATION, _background_tasks,
          "a process that exists",
          "otherwise no process fetches the federation list, and all federation stops", of_deployment=True),
)
