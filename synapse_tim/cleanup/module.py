"""``synapse_tim.RoomCleanup``: deletes unused rooms, and takes insured persons out of abandoned ones.

Inactive rooms (A_25318, A_25319), orphaned rooms (A_28564-01), rooms in which only insured persons are left
(A_26348); ``cleanup/rules.py`` says which those are. One process of the homeserver does it, page after page
with pauses between them; what is due is judged once more right before anything is done. While there is no
usable federation list, it is unknown who is insured, and no user is made to leave.
"""

import logging
from typing import Any

from synapse.module_api import ModuleApi

from synapse_tim.adapter import registry
from synapse_tim.adapter.config_block import parse_block
from synapse_tim.adapter.homeserver import Homeserver
from synapse_tim.adapter.start_up import check_options
from synapse_tim.cleanup.activity import RoomActivity
from synapse_tim.cleanup.config import RoomCleanupConfig
from synapse_tim.cleanup.purged_rooms import remove_stale_rows
from synapse_tim.cleanup.rounds import CleanupRounds
from synapse_tim.cleanup.rules import InsurersOf
from synapse_tim.cleanup.survey import RoomSurvey
from synapse_tim.federation.federation_members import Federation

logger = logging.getLogger(__name__)


class RoomCleanup:
    """Cleans up in one process of a homeserver."""

    def __init__(self, config: RoomCleanupConfig, api: ModuleApi) -> None:
        homeserver = Homeserver.of(api)
        check_options(homeserver.config, "cleanup", config.product)
        rules = config.cleanup_rules
        federation: Federation | None = None
        if rules.insured_only_ms is not None:
            federation = registry.require(api, "FederationAllowList", "RoomCleanup")
        registry.register(api, self, config)
        self._api = api
        homeserver.purges.after_each(self._remove_stale_rows)
        if api.should_run_background_tasks() and rules.any:
            activity = RoomActivity(homeserver.config.uses_postgresql, api.server_name)
            survey = RoomSurvey(activity, homeserver.config.server_notices_user)
            CleanupRounds(
                api,
                config.cleanup,
                rules,
                survey,
                lambda: _insurers(federation, api),
                homeserver.rooms.end_membership,
                homeserver.federation.may_reach,
            ).start()

    async def _remove_stale_rows(self) -> None:
        """Remove what a purge forgets, at once: the room may be joined again the next moment."""
        try:
            await self._api.run_db_interaction("synapse_tim_stale_rows", remove_stale_rows)
        except Exception as error:
            logger.warning(
                "Rows that a purge left behind are removed in the next round: %s", type(error).__name__
            )

    @staticmethod
    def parse_config(config: dict[str, Any]) -> RoomCleanupConfig:
        """Check the block of ``homeserver.yaml``; the ``ConfigError`` names the key and what is expected."""
        return parse_block(RoomCleanupConfig, config)


def _insurers(federation: Federation | None, api: ModuleApi) -> InsurersOf | None:
    usable = federation.members.usable_list if federation is not None else None
    return None if usable is None else InsurersOf.listed(usable.insurance_domains, api.server_name)
