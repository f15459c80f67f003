"""``synapse_tim.ContactManagement``: the approval lists of ``legacy-1.1`` (AF_10061-01, ML-132864).

Users keep a list of contacts that may invite them, each with a window of time. Their clients do so at
``/tim-contact-mgmt/v1.0.2``, on the listeners that serve the client API, in the main process and in workers.
The check of invitations asks here whether an inviter is on the list of the invitee.

What has expired is removed every hour, and the list of an account that is deactivated at once.
"""

import logging
from typing import Any

from synapse.module_api import ModuleApi

from synapse_tim.adapter import registry
from synapse_tim.adapter.clock import now_s
from synapse_tim.adapter.config_block import parse_block, wrong
from synapse_tim.adapter.homeserver import Homeserver
from synapse_tim.adapter.openid_auth import OpenIdUsers
from synapse_tim.adapter.table_keeper import TableKeeper
from synapse_tim.adapter.users import LocalUsers
from synapse_tim.contacts import resource as contact_resource
from synapse_tim.contacts.config import ContactManagementConfig
from synapse_tim.contacts.denials import CONTACTS_TOKEN
from synapse_tim.contacts.resource import ContactResource
from synapse_tim.contacts.store import ContactStore
from synapse_tim.contacts.three_stage_check import ThreeStageCheck
from synapse_tim.core.products import SpecVersion
from synapse_tim.directory.module import Directory
from synapse_tim.invites.rules import Consent

logger = logging.getLogger(__name__)


class ContactManagement:
    """Keeps the approval lists in one Synapse process.

    Raises:
        ConfigError: this is another generation, or an unknown Synapse.
    """

    def __init__(self, config: ContactManagementConfig, api: ModuleApi) -> None:
        _check_generation(config)
        self._api = api
        wanted = config.contacts_in_force
        homeserver = Homeserver.of(api)
        self._store = ContactStore(
            api, postgresql=homeserver.config.uses_postgresql, max_contacts=wanted.max_contacts
        )
        users = OpenIdUsers(homeserver, CONTACTS_TOKEN)
        resource = ContactResource(wanted.info, self._store, users.require)
        homeserver.listeners.serve({contact_resource.BASE_PATH: resource}, {}, "ContactManagement")
        homeserver.listeners.allow_request_header(contact_resource.BASE_PATH, contact_resource.OWNER_HEADER)
        TableKeeper(api, "contacts", self._store.create_tables, self._tidy).start()
        # Accounts are deactivated by the main process.
        api.register_third_party_rules_callbacks(on_user_deactivation_status_changed=self._on_deactivation)
        registry.register(api, self, config)

    @staticmethod
    def parse_config(config: dict[str, Any]) -> ContactManagementConfig:
        """Check the block of ``homeserver.yaml``; the ``ConfigError`` names the key and what is expected."""
        parsed = parse_block(ContactManagementConfig, config)
        _check_generation(parsed)
        return parsed

    def consent(self, users: LocalUsers) -> Consent:
        """What ``synapse_tim.InvitePolicy`` asks whether a local user wants an invitation.

        Raises:
            ConfigError: ``synapse_tim.Directory`` is not loaded.
        """
        directory: Directory = registry.require(self._api, "Directory", "InvitePolicy")
        return ThreeStageCheck(self._api, users, self.permits, directory)

    async def permits(self, owner: str, inviter: str, now_s: int) -> bool:
        """Whether the owner's approval list lets a user invite the owner.

        Args:
            owner: the user id of a user of this server.
            inviter: the user id of who invites, compared exactly.
            now_s: seconds since 1970.

        Raises:
            Exception: the database's, if it does not answer.
        """
        contact = await self._store.contact_of(owner, inviter, now_s)
        return contact is not None and contact.permits(now_s)

    async def _on_deactivation(self, user_id: str, deactivated: bool, by_admin: bool) -> None:
        if not deactivated:
            return
        try:
            await self._store.remove_of(user_id)
        except Exception as error:
            # The next tidying does it.
            logger.error("The contacts of a deactivated user were not removed: %s", type(error).__name__)

    async def _tidy(self) -> None:
        await self._store.remove_expired(now_s())
        await self._store.remove_of_deactivated()


def _check_generation(config: ContactManagementConfig) -> None:
    if config.spec_version is not SpecVersion.LEGACY_1_1:
        raise wrong(
            "synapse_tim.ContactManagement belongs to 'legacy-1.1'; in later generations take it out of "
            "'modules', and move the lists with 'synapse-tim contacts migrate'",
            "spec_version",
        )
