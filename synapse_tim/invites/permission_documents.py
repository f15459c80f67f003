"""Permission configurations of local users, in Synapse's account data (A_25043).

Read here, never written: a document that cannot be read refuses invitations and stays as its owner stored it.
"""

import logging
from collections.abc import Mapping

from synapse.module_api import ModuleApi

from synapse_tim.adapter.users import LocalUsers
from synapse_tim.core.denial import Denial
from synapse_tim.core.products import Product
from synapse_tim.invites.denials import (
    INVITEE_REFUSES,
    INVITEE_UNKNOWN,
    INVITEE_UNREADABLE,
    PERMISSION_MALFORMED,
    PERMISSION_UNAVAILABLE,
)
from synapse_tim.invites.permission_config import (
    ACCOUNT_DATA_TYPES,
    PermissionConfig,
    PermissionConfigError,
    for_server,
    is_empty,
    parse,
)

logger = logging.getLogger(__name__)


class PermissionDocuments:
    """Looks up what local users allow."""

    denial = INVITEE_REFUSES

    def __init__(
        self, api: ModuleApi, users: LocalUsers, product: Product, default: Mapping[str, object]
    ) -> None:
        self._api = api
        self._users = users
        self._product = product
        self.kind = ACCOUNT_DATA_TYPES[product]
        self.default = for_server(default, api.server_name)
        self._parsed_default = parse(self.default, product)

    async def of(self, user_id: str) -> PermissionConfig | Denial:
        """What a local user allows, or why the user cannot be invited at all."""
        try:
            if not await self._users.may_be_invited(user_id):
                return INVITEE_UNKNOWN
            document = await self.stored(user_id)
        except Exception as error:
            logger.error("A permission configuration could not be looked up: %s", type(error).__name__)
            return PERMISSION_UNAVAILABLE
        if document is None:
            return self._parsed_default
        try:
            return parse(document, self._product)
        except PermissionConfigError:
            return INVITEE_UNREADABLE

    async def check(self, inviter: str, invitee: str, *, inviter_is_insured: bool) -> Denial | None:
        """See ``Consent.check`` (A_26021-01)."""
        config = await self.of(invitee)
        if isinstance(config, Denial):
            return config
        return None if config.allows(inviter, inviter_is_insured=inviter_is_insured) else INVITEE_REFUSES

    async def check_contact(self, sender: str, addressee: str, *, sender_is_insured: bool) -> Denial | None:
        """See ``Consent.check_contact``: the same as for an invitation. Synapse caches account data."""
        return await self.check(sender, addressee, inviter_is_insured=sender_is_insured)

    async def stored(self, user_id: str) -> Mapping[str, object] | None:
        """The document that a local user has stored, valid or not.

        An empty one is what Matrix leaves of account data that was deleted: none.
        """
        document = await self._api.account_data_manager.get_global(user_id, self.kind)
        return None if is_empty(document) else document

    def validate(self, document: object) -> Denial | None:
        """Why a document that a client wants to store is no permission configuration, or ``None``."""
        try:
            parse(document, self._product)
        except PermissionConfigError as error:
            return PERMISSION_MALFORMED.with_detail(str(error))
        return None
