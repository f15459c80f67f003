"""Approval lists that are left over when a homeserver moves on from ``legacy-1.1``.

Later generations do not look at them: who is on a list that was not migrated may find that an invitation is
refused, or a user may be invited by everybody; and who was taken off a list after it was migrated may still
invite. So start-up says once what is left.
"""

from __future__ import annotations

import logging

from synapse.module_api import LoggingTransaction, ModuleApi

from synapse_tim.adapter.clock import now_s
from synapse_tim.adapter.internals import SynapseInternals
from synapse_tim.contacts.lists import Left, count_left

logger = logging.getLogger(__name__)


def tell_of_contacts_left(api: ModuleApi, internals: SynapseInternals) -> None:
    """Have a warning logged if another run of the migration has something to do.

    Only the process that runs background tasks looks, once.

    Args:
        api: Synapse's module API.
        internals: for what the database is.
    """
    if not api.should_run_background_tasks():
        return
    postgresql = internals.uses_postgresql
    now = now_s()

    def count(txn: LoggingTransaction) -> Left:
        return count_left(txn, now, postgresql=postgresql)

    async def tell() -> None:
        try:
            left = await api.run_db_interaction("synapse_tim_contacts_left", count)
        except Exception as error:
            logger.error("It could not be looked up whether contacts are left: %s", type(error).__name__)
            return
        if left:
            logger.warning(
                "Approval lists of legacy-1.1 have no effect any more, and %s: "
                "run 'synapse-tim contacts migrate'",
                left,
            )

    api.delayed_background_call(0, tell, desc="synapse_tim_contacts_left")
