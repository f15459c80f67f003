"""Metrics of the mirror: those of the list, as homeservers have them, and its own."""

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, ProcessCollector

from synapse_tim.adapter import metrics

REGISTRY: Final = CollectorRegistry()
ProcessCollector(registry=REGISTRY)
REQUESTS: Final = Counter(
    "synapse_tim_mirror_requests",
    "Requests of homeservers, by what was asked for and the status of the answer.",
    labelnames=["kind", "status"],
    registry=REGISTRY,
)
LOOKUPS: Final = Counter(
    "synapse_tim_mirror_lookups",
    "What was looked up for homeservers (roots, sub_ca, ocsp): ok, or the reason of the failure.",
    labelnames=["kind", "result"],
    registry=REGISTRY,
)
CONNECTIONS: Final = Gauge(
    "synapse_tim_mirror_connections", "Open connections of homeservers.", registry=REGISTRY
)
CONNECTIONS_REFUSED: Final = Counter(
    "synapse_tim_mirror_connections_refused",
    "Connections beyond max_connections, which were closed at once.",
    registry=REGISTRY,
)

# What a homeserver says about its own list holds for the mirror's as well.
for _shared in (
    metrics.LIST_VERSION,
    metrics.LIST_DOMAINS,
    metrics.LIST_LAST_CONFIRMED,
    metrics.LIST_SIGNER_EXPIRY,
    metrics.LIST_STALE,
    metrics.LIST_SKIPPED,
    metrics.LIST_UPDATES,
    metrics.LIST_UPDATE_DURATION,
):
    REGISTRY.register(_shared)
