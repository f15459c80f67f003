"""Prometheus metrics, exported by Synapse's own metrics listener, without users and rooms (A_22817).

Each process has its own; only the process that fetches the list counts updates.
"""

from prometheus_client import Counter, Gauge, Histogram

DECISIONS = Counter(
    "synapse_tim_decisions",
    "Decisions of the policies.",
    labelnames=["policy", "rule", "outcome"],
)
LIST_VERSION = Gauge(
    "synapse_tim_federation_list_version", "Version of the federation list in force; 0 without one."
)
LIST_DOMAINS = Gauge(
    "synapse_tim_federation_list_domains", "Domains in the federation list in force; 0 without one."
)
LIST_LAST_CONFIRMED = Gauge(
    "synapse_tim_federation_list_last_confirmed_timestamp_seconds",
    "When the source last delivered or confirmed the list in force.",
)
LIST_SIGNER_EXPIRY = Gauge(
    "synapse_tim_federation_list_signer_expiry_timestamp_seconds",
    "When the first certificate on the path of the list's signer expires.",
)
LIST_STALE = Gauge(
    "synapse_tim_federation_list_stale", "1 while the list is stale or there is none, otherwise 0."
)
LIST_SKIPPED = Gauge(
    "synapse_tim_federation_list_skipped_entries", "Entries of the list in force that were unusable."
)
OWN_DOMAIN_LISTED = Gauge(
    "synapse_tim_federation_list_own_domain_listed", "1 if the list in force names this server."
)
PRODUCT_MISMATCH = Gauge(
    "synapse_tim_product_mismatch",
    "1 if the list in force knows this server as the other kind of product than is configured.",
)
LIST_UPDATES = Counter(
    "synapse_tim_federation_list_updates",
    "Update attempts: accepted, confirmed, or the reason of the refusal.",
    labelnames=["result"],
)
LIST_COMPILED_REFUSED = Counter(
    "synapse_tim_federation_list_compiled_refused",
    "Compiled lists in the database that were refused: not_authentic, or a contradiction to the signed list.",
    labelnames=["reason"],
)
LIST_UPDATE_DURATION = Histogram(
    "synapse_tim_federation_list_update_duration_seconds",
    "Duration of an update attempt, network included.",
    buckets=(0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 120, float("inf")),
)
LOGIN_TOKENS = Counter(
    "synapse_tim_login_tokens",
    "ID tokens: accepted, or the reason of the refusal.",
    labelnames=["result"],
)
LOGOUT_TOKENS = Counter(
    "synapse_tim_logout_tokens",
    "Logout tokens of identity providers: accepted, or the reason of the refusal.",
    labelnames=["result"],
)
CLEANUP_LAST_RUN = Gauge(
    "synapse_tim_cleanup_last_run_timestamp_seconds",
    "When cleanup last went through all rooms; 0 if it never did, or in another process.",
)
CLEANUP_ROOMS = Counter(
    "synapse_tim_cleanup_rooms",
    "Rooms that were due for cleanup: purged, left, skipped, or failed.",
    labelnames=["kind", "outcome"],
)
CLEANUP_DUE = Gauge(
    "synapse_tim_cleanup_due_rooms",
    "Rooms that were found to be due when cleanup last went through all of them.",
    labelnames=["kind"],
)
DIRECTORY_LOOKUPS = Counter(
    "synapse_tim_directory_lookups",
    "Look-ups in the directory: cached, what was found, or the reason of the failure.",
    labelnames=["kind", "result"],
)
DIRECTORY_LOOKUP_DURATION = Histogram(
    "synapse_tim_directory_lookup_duration_seconds",
    "Duration of a look-up that was not answered from the cache, waiting included.",
    labelnames=["kind"],
    buckets=(0.01, 0.05, 0.1, 0.5, 1, 2.5, 5, 10, 20, 30, float("inf")),
)
DIRECTORY_DOWN = Gauge(
    "synapse_tim_directory_down",
    "1 from a look-up that the directory did not answer to the next one that it does.",
)
CLIENT_REPORT_EVENTS = Counter(
    "synapse_tim_client_report_events",
    "Events with structured data, as clients report them.",
    labelnames=["direction", "procedure", "version"],
)
