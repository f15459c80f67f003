"""``POST /tim-client-report/report``: TIMessengerClientReport 1.0.0 (requirement R5.10).

Refused: requests without an access token, reports that do not follow the schema, and more of them than a
client has to send. Counted, and nothing else kept: how many events of which procedure went which way, on
which day. Who reported is forgotten before the report is read (A_22817); for the rate there is a
keyed hash in memory, with a key that this process makes up.
"""

import hashlib
import logging
import secrets
import time
from collections.abc import Collection, Mapping
from typing import Any, Final

from synapse.module_api import DirectServeJsonResource, ModuleApi, SynapseRequest

from synapse_tim.adapter import metrics
from synapse_tim.adapter.answers import count_allowed, reject
from synapse_tim.adapter.client_api import ClientApi, octets
from synapse_tim.adapter.clock import utc_now
from synapse_tim.adapter.endpoints import require_method
from synapse_tim.adapter.homeserver import Homeserver
from synapse_tim.adapter.table_keeper import TableKeeper
from synapse_tim.core.rate_limit import RequestRate
from synapse_tim.core.web_denials import ENDPOINT_UNRECOGNIZED
from synapse_tim.information.client_report import MAX_OCTETS, Label, ReportError, parse_report, within
from synapse_tim.information.client_report_store import ClientReportStore
from synapse_tim.information.denials import (
    REPORT_MALFORMED,
    REPORT_SECONDS,
    REPORT_TOO_OFTEN,
    REPORT_UNAVAILABLE,
)

logger = logging.getLogger(__name__)

BASE_PATH: Final = "/tim-client-report"
#: Reports of one user at once; beyond, one in each ``REPORT_SECONDS``.
BURST: Final = 10
#: Different labels of the metric in one process, those of ``other`` aside.
MAX_LABELS: Final = 200


class ClientReports:
    """Counts what clients report, by the names of ``procedures``; ``None`` for all usual names."""

    def __init__(self, api: ModuleApi, homeserver: Homeserver, procedures: Collection[str] | None) -> None:
        self._api = api
        self._procedures = procedures
        self._store = ClientReportStore(api, postgresql=homeserver.config.uses_postgresql)
        self._labels: set[Label] = set()
        TableKeeper(api, "reports", self._store.create_tables, self._tidy).start()

    async def count(self, body: bytes) -> None:
        """Count a report.

        Args:
            body: the bytes of the request.

        Raises:
            SynapseError: 400 if it does not follow the schema; 503 if the database does not answer.
        """
        try:
            events = parse_report(body, self._procedures)
        except ReportError as error:
            reject(REPORT_MALFORMED.with_detail(str(error)))
        if events:
            self._show(await self._stored(events))
        count_allowed(REPORT_MALFORMED)

    async def _stored(self, events: Mapping[Label, int]) -> Mapping[Label, int]:
        try:
            return await self._store.add(utc_now().date(), events)
        except Exception as error:
            logger.error("A client's report was not stored: %s", type(error).__name__)
            reject(REPORT_UNAVAILABLE)

    def _show(self, events: Mapping[Label, int]) -> None:
        for label, counted in within(events, self._labels, MAX_LABELS).items():
            self._labels.add(counted)
            metrics.CLIENT_REPORT_EVENTS.labels(counted.direction, counted.procedure, counted.version).inc(
                events[label]
            )

    async def _tidy(self) -> None:
        await self._store.forget(utc_now().date())


class ClientReportResource(DirectServeJsonResource):
    """Takes reports of users of this server."""

    isLeaf = True  # noqa: N815  # Twisted's name

    def __init__(self, client_api: ClientApi, reports: ClientReports) -> None:
        super().__init__()
        self._client_api = client_api
        self._reports = reports
        self._rate = RequestRate(REPORT_SECONDS, BURST)
        self._key = secrets.token_bytes(32)

    async def _async_render(self, request: SynapseRequest) -> tuple[int, dict[str, Any]]:
        if request.postpath != [b"report"]:
            reject(ENDPOINT_UNRECOGNIZED)
        require_method(request, "POST")
        user_id = await self._client_api.user_of(request)
        who = hashlib.blake2b(user_id.encode(), key=self._key, digest_size=16).digest()
        if not self._rate.allows(who, time.monotonic()):
            reject(REPORT_TOO_OFTEN)
        await self._reports.count(_body(request))
        return 200, {}


def _body(request: SynapseRequest) -> bytes:
    if octets(request) > MAX_OCTETS:
        reject(REPORT_MALFORMED.with_detail(f"more than {MAX_OCTETS} bytes"))
    return b"" if request.content is None else request.content.read()
