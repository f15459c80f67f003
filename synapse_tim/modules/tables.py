"""Making tables in Synapse's own database."""

from __future__ import annotations

from collections.abc import Iterable

from synapse.module_api import LoggingTransaction, ModuleApi


async def create_tables(api: ModuleApi, statements: Iterable[str], description: str) -> None:
    """Create what is missing; for one process only.

    Args:
        api: Synapse's module API.
        statements: each with ``IF NOT EXISTS``.
        description: of the transaction, for Synapse's log and metrics.
    """

    def create(txn: LoggingTransaction) -> None:
        for statement in statements:
            txn.execute(statement)

    await api.run_db_interaction(description, create)
