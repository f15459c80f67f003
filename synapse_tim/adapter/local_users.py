"""Local users who can be invited: active accounts, and users of application services."""

from typing import Any, Final

from synapse.module_api import ModuleApi

from synapse_tim.adapter.shape import Touches
from synapse_tim.adapter.stores import main_store
from synapse_tim.core.text import is_storable

_SYNAPSE: Final = Touches("local users")
_SERVICE: Final = _SYNAPSE.calls(
    "synapse.storage.databases.main.DataStore.get_app_service_by_user_id",
    "application services have no account and may be invited",
)


class LocalUsers:
    """Looks up local users."""

    def __init__(self, hs: Any, api: ModuleApi) -> None:
        self._api = api
        self._service = _SERVICE.of(main_store(hs))

    async def may_be_invited(self, user_id: str) -> bool:
        """Whether there is such a user, who has not been deactivated.

        Raises:
            Exception: whatever the database raises.
        """
        if not is_storable(user_id):
            return False
        user = await self._api.get_userinfo_by_id(user_id)
        return not user.is_deactivated if user else self._service(user_id) is not None
