"""Which invitees there are: accounts of this server that are in use, and users of application services."""

from __future__ import annotations

from synapse.module_api import ModuleApi

from synapse_tim.adapter.internals import SynapseInternals
from synapse_tim.core.text import is_storable


class LocalUsers:
    """Looks up local users.

    Args:
        api: Synapse's module API.
        internals: knows application services, whose users have no account and may be invited.
    """

    def __init__(self, api: ModuleApi, internals: SynapseInternals) -> None:
        self._api = api
        self._internals = internals

    async def may_be_invited(self, user_id: str) -> bool:
        """Whether there is such a user, who has not been deactivated.

        Raises:
            Exception: whatever the database raises.
        """
        if not is_storable(user_id):
            return False
        user = await self._api.get_userinfo_by_id(user_id)
        return not user.is_deactivated if user else self._internals.is_application_service(user_id)
