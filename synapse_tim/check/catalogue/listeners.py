"""Checks of listeners and processes: who reaches what, and whether somebody fetches the federation list."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from synapse_tim.check.checks import Check, Found
from synapse_tim.check.facts import Facts, Listener, Verdict

#: What other servers and clients talk to.
_PUBLIC: Final = frozenset({"client", "federation", "media", "openid", "keys", "consent", "static"})


def _http(facts: Facts, resources: frozenset[str]) -> Iterator[Listener]:
    for listener in facts.process.listeners:
        if listener.resources & resources:
            yield listener


def _where(addresses: Iterable[str]) -> str:
    return ", ".join(address or "all addresses" for address in addresses)


def _encryption(facts: Facts) -> Iterable[Found]:
    for listener in _http(facts, _PUBLIC | {"replication"}):
        if listener.tls:
            yield Found("TLS", True, listener.key)
        elif listener.other_machines:
            yield Found(f"unencrypted on {_where(listener.other_machines)}", False, listener.key)
        else:
            yield Found("this machine only", True, listener.key)


def _admin_api(facts: Facts) -> Iterable[Found]:
    # Synapse serves it wherever it serves the client API.
    for listener in _http(facts, frozenset({"client"})):
        if listener.tls and listener.public:
            yield Found(f"client on {_where(listener.public)}", False, listener.key)
        else:
            yield Found("not public", True, listener.key)


def _replication(facts: Facts) -> Iterable[Found]:
    for listener in _http(facts, frozenset({"replication"})):
        if not listener.public:
            yield Found("not public", True, listener.key)
            continue
        secret = bool(facts.value("worker", "worker_replication_secret"))
        yield Found(
            f"{_where(listener.public)}, {'with' if secret else 'without'} worker_replication_secret",
            False,
            listener.key,
            verdict=Verdict.WARNING if secret else Verdict.VIOLATION,
        )


def _manhole(facts: Facts) -> Iterable[Found]:
    for listener in facts.process.listeners:
        if listener.kind == "manhole":
            reached = listener.other_machines
            yield Found(_where(reached) if reached else "this machine only", not reached, listener.key)


def _serves_metrics(listener: Listener) -> bool:
    return listener.kind == "metrics" or "metrics" in listener.resources


def _public_metrics(facts: Facts) -> Iterable[Found]:
    for listener in filter(_serves_metrics, facts.process.listeners):
        public = listener.public
        yield Found(_where(public) if public else "not public", not public, listener.key)


def _metrics(facts: Facts) -> Iterable[Found]:
    if not facts.value("metrics", "enable_metrics"):
        yield Found("enable_metrics: false", False, "enable_metrics")
    elif not any(map(_serves_metrics, facts.process.listeners)):
        yield Found("no listener of the type metrics", False)
    else:
        yield Found("a listener", True)


def _forwarded(facts: Facts) -> Iterable[Found]:
    for listener in _http(facts, frozenset({"client", "federation"})):
        if not listener.tls:
            yield Found(str(listener.x_forwarded).lower(), listener.x_forwarded, listener.key)


def _believed_headers(facts: Facts) -> Iterable[Found]:
    for listener in _http(facts, frozenset({"client", "federation"})):
        if listener.tls and listener.public:
            yield Found(str(listener.x_forwarded).lower(), not listener.x_forwarded, listener.key)


def _federation(facts: Facts) -> Iterable[Found]:
    served = [
        process.name
        for process in facts.processes
        for listener in process.listeners
        if "federation" in listener.resources
    ]
    yield Found(", ".join(dict.fromkeys(served)) or "none", bool(served))


def _background_tasks(facts: Facts) -> Iterable[Found]:
    running = [process.name for process in facts.processes if process.runs_background_tasks]
    if running:
        yield Found(", ".join(running), True)
        return
    wanted = facts.process.background_tasks_on or "main"
    workers_known = any(process.is_worker for process in facts.processes)
    yield Found(
        f"{wanted}, which is none of: {', '.join(process.name for process in facts.processes)}",
        False,
        reason=None if workers_known else "name the file of that worker with --worker",
        verdict=Verdict.VIOLATION if workers_known else Verdict.WARNING,
    )


CHECKS: Final = (
    Check(
        "listeners.tls",
        "listeners",
        "A_22929",
        "tls: true, or bound to this machine only, behind a reverse proxy",
        "every connection between machines has to be encrypted, also the one from the reverse proxy",
        Verdict.VIOLATION,
        _encryption,
    ),
    Check(
        "listeners.admin_api",
        "listeners",
        "R4.24",
        "client only behind a reverse proxy",
        "the admin API is served there, too, and only a reverse proxy can keep /_synapse/admin to "
        "those who may use it",
        Verdict.WARNING,
        _admin_api,
    ),
    Check(
        "listeners.replication",
        "listeners",
        "R4.24",
        "an address that only workers reach",
        "whoever reaches the replication listener can act as a part of this homeserver",
        Verdict.VIOLATION,
        _replication,
    ),
    Check(
        "listeners.manhole",
        "listeners",
        "R4.24",
        "this machine only, or none",
        "whoever logs in to the manhole can do anything, and its password is Synapse's default "
        "unless it was changed",
        Verdict.VIOLATION,
        _manhole,
    ),
    Check(
        "listeners.metrics_address",
        "listeners",
        "R7.17",
        "an address that only the monitoring reaches",
        "metrics are shown to whoever asks",
        Verdict.WARNING,
        _public_metrics,
    ),
    Check(
        "listeners.metrics",
        "listeners",
        "R7.17",
        "enable_metrics: true and a listener of the type metrics",
        "otherwise nobody sees that the federation list is stale",
        Verdict.WARNING,
        _metrics,
    ),
    Check(
        "listeners.x_forwarded",
        "listeners",
        "R4.8",
        "x_forwarded: true behind a reverse proxy",
        "otherwise rate limits take all clients for one",
        Verdict.WARNING,
        _forwarded,
    ),
    Check(
        "listeners.x_forwarded_public",
        "listeners",
        "R4.8",
        "x_forwarded: false where clients come directly",
        "otherwise clients choose the address that rate limits count them by",
        Verdict.WARNING,
        _believed_headers,
    ),
    Check(
        "listeners.federation",
        "listeners",
        "R1.19, R4.25",
        "the resource federation in one process at least",
        "otherwise other members and the directory get no answer",
        Verdict.WARNING,
        _federation,
        of_deployment=True,
    ),
    Check(
        "run_background_tasks_on",
        "run_background_tasks_on",
        "R1.11",
        "a process that exists",
        "otherwise nobody fetches the federation list, and all federation stops",
        Verdict.VIOLATION,
        _background_tasks,
        of_deployment=True,
    ),
)
