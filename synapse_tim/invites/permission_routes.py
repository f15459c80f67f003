"""Guards of the account data in which clients read and write permission configurations (A_25043, A_26389).

Refused: storing what does not follow gematik's schema (A_26390), with the fault; removing it, which would say
neither yes nor no. Who has stored nothing, or an empty document, is shown the default, and nothing is stored
by that.
"""

from collections.abc import Mapping

from synapse.module_api import SynapseRequest
from synapse.module_api.errors import SynapseError

from synapse_tim.adapter.answers import Answer, Proceed, enforce, reject
from synapse_tim.adapter.client_api import ClientGuard, octets, read_json
from synapse_tim.adapter.homeserver import Homeserver
from synapse_tim.invites.denials import PERMISSION_MALFORMED, PERMISSION_REMOVED
from synapse_tim.invites.permission_config import MAX_OCTETS, is_empty
from synapse_tim.invites.permission_documents import PermissionDocuments


class PermissionRoutes:
    """Guards the account data of the permission configuration in one Synapse process."""

    def __init__(self, homeserver: Homeserver, documents: PermissionDocuments) -> None:
        self._client_api = homeserver.client_api
        self._documents = documents
        guards: dict[tuple[str, str], ClientGuard] = {
            ("account_data.AccountDataServlet", "PUT"): self.store,
            ("account_data.AccountDataServlet", "GET"): self.show,
        }
        if homeserver.config.option("experimental", "msc3391_enabled"):
            guards["account_data.UnstableAccountDataServlet", "DELETE"] = self.remove
        self._client_api.guard(guards)

    async def store(self, request: SynapseRequest, proceed: Proceed, path: Mapping[str, str]) -> Answer:
        """Check a permission configuration before Synapse stores it.

        Raises:
            SynapseError: 400 ``M_BAD_JSON`` with what is wrong.
        """
        if path["account_data_type"] != self._documents.kind:
            return await proceed()
        await self._client_api.user_of(request)
        document = read_json(request)
        if octets(request) > MAX_OCTETS:
            reject(PERMISSION_MALFORMED.with_detail(f"it has more than {MAX_OCTETS} bytes"))
        enforce(self._documents.validate(document), PERMISSION_MALFORMED)
        return await proceed()

    async def show(self, request: SynapseRequest, proceed: Proceed, path: Mapping[str, str]) -> Answer:
        """Show the default to users who have stored nothing."""
        ours = path["account_data_type"] == self._documents.kind
        try:
            status, document = await proceed()
        except SynapseError as error:
            if error.code != 404 or not ours:
                raise
            status, document = 200, {}
        return status, self._documents.default if ours and is_empty(document) else document

    async def remove(self, request: SynapseRequest, proceed: Proceed, path: Mapping[str, str]) -> Answer:
        """Refuse to remove a permission configuration: it would say neither yes nor no."""
        if path["account_data_type"] == self._documents.kind:
            reject(PERMISSION_REMOVED)
        return await proceed()
