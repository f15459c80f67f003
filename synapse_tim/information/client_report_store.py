"""Store of client reports: events per day, without users, in Synapse's own database.

One row for each day, direction, procedure and version, with the events of all users together (A_22817). The
number of rows of a day is limited.
"""

import datetime as dt
from collections.abc import Mapping
from typing import Final

from synapse.module_api import LoggingTransaction, ModuleApi

from synapse_tim.adapter.database import SerialWrites, create_tables, execute
from synapse_tim.information.client_report import Label, within

#: Of one day, those of ``other`` aside.
MAX_ROWS: Final = 200
#: How long reports are kept.
KEPT: Final = dt.timedelta(days=400)

_TABLE: Final = "synapse_tim_client_reports"
_TABLES: Final = (
    """CREATE TABLE IF NOT EXISTS synapse_tim_client_reports (
        day TEXT NOT NULL,
        direction TEXT NOT NULL,
        procedure TEXT NOT NULL,
        version TEXT NOT NULL,
        events BIGINT NOT NULL,
        PRIMARY KEY (day, direction, procedure, version)
    )""",
)
_LABELS: Final = "SELECT direction, procedure, version FROM synapse_tim_client_reports WHERE day = ?"
_FORGET: Final = "DELETE FROM synapse_tim_client_reports WHERE day < ?"
_ADD: Final = """
    INSERT INTO synapse_tim_client_reports AS counted (day, direction, procedure, version, events)
    VALUES {rows}
    ON CONFLICT (day, direction, procedure, version) DO UPDATE SET events = counted.events + excluded.events
"""


class ClientReportStore:
    """Reads and writes the table of reports.

    Args:
        postgresql: whether the database is PostgreSQL; otherwise it is SQLite.
    """

    def __init__(self, api: ModuleApi, *, postgresql: bool) -> None:
        self._api = api
        self._writes = SerialWrites(api, _TABLE, postgresql=postgresql)

    async def create_tables(self) -> None:
        """Create what is missing; for one process only."""
        await create_tables(self._api, _TABLES, "synapse_tim_create_report_tables")

    async def add(self, day: dt.date, events: Mapping[Label, int]) -> dict[Label, int]:
        """Add what a client reports; returns the same under the labels that it was stored under."""

        def write(txn: LoggingTransaction) -> dict[Label, int]:
            txn.execute(_LABELS, (str(day),))
            known = {Label(*row) for row in txn.fetchall()}
            stored: dict[Label, int] = {}
            for label, counted in within(events, known, MAX_ROWS).items():
                stored[counted] = stored.get(counted, 0) + events[label]
            _add(txn, day, stored)
            return stored

        return await self._writes.run("synapse_tim_add_report", write)

    async def forget(self, today: dt.date) -> None:
        """Forget what is older than it is kept."""
        await execute(self._api, "synapse_tim_forget_reports", _FORGET, (str(today - KEPT),))


def _add(txn: LoggingTransaction, day: dt.date, events: Mapping[Label, int]) -> None:
    rows = ", ".join(["(?, ?, ?, ?, ?)"] * len(events))
    values = [
        value
        for label, number in events.items()
        for value in (str(day), label.direction, label.procedure, label.version, number)
    ]
    txn.execute(_ADD.format(rows=rows), values)
