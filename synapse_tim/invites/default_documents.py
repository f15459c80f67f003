"""The default permission configuration, stored when users log in, so that clients see it in ``/sync``."""

import logging

from synapse.module_api import ModuleApi

from synapse_tim.invites.permission_documents import PermissionDocuments

logger = logging.getLogger(__name__)


class DefaultDocuments:
    """Stores the default for users who have stored nothing (``permissions.store_default``)."""

    def __init__(self, api: ModuleApi, documents: PermissionDocuments) -> None:
        self._api = api
        self._documents = documents
        api.register_account_validity_callbacks(on_user_login=self.on_user_login)

    async def on_user_login(self, user_id: str, provider_type: str | None, provider_id: str | None) -> None:
        """Store the default unless the user has a document, an empty one or one that cannot be read included.

        Called for every login through Synapse, by password, token, single sign-on and application service,
        in the process that serves it. A login does not fail because of this.
        """
        kind = self._documents.kind
        try:
            if await self._api.account_data_manager.get_global(user_id, kind) is None:
                await self._api.account_data_manager.put_global(user_id, kind, dict(self._documents.default))
        except Exception as error:
            logger.error("The default permission configuration was not stored: %s", type(error).__name__)
