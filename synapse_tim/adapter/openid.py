"""Who may use gematik's interfaces: users of this server who show an OpenID token (requirement R5.6).

Refused: no token or more than one, tokens in the address, tokens of nobody or that have expired, and users
whose account has been deactivated or locked since, or is a guest's.
"""

from __future__ import annotations

from synapse.http.site import SynapseRequest
from synapse.module_api import ModuleApi
from synapse.module_api.errors import SynapseError

from synapse_tim.adapter.decisions import reject
from synapse_tim.adapter.internals import SynapseInternals
from synapse_tim.core.bearer import bearer_token
from synapse_tim.core.denial import Denial


class OpenIdUsers:
    """Looks up who shows a token.

    Args:
        api: Synapse's module API.
        internals: for the tokens.
        denial: for a request that is not a user's.
        accept_access_tokens: whether access tokens of the client API are accepted, too.

    Raises:
        ConfigError: this is an unknown Synapse.
    """

    def __init__(
        self,
        api: ModuleApi,
        internals: SynapseInternals,
        denial: Denial,
        *,
        accept_access_tokens: bool = False,
    ) -> None:
        internals.assert_open_id_tokens()
        self._api = api
        self._internals = internals
        self._denial = denial
        self._accept_access_tokens = accept_access_tokens

    async def require(self, request: SynapseRequest) -> str:
        """Refuse a request that is not a user's.

        Returns:
            The user id.

        Raises:
            SynapseError: 401 ``M_UNKNOWN_TOKEN``; Synapse's own error if it cannot tell.
        """
        token = bearer_token(request.requestHeaders.getRawHeaders(b"Authorization") or ())
        user_id = None if token is None else await self._internals.user_of_open_id_token(token)
        if user_id is None and token is not None and self._accept_access_tokens:
            user_id = await self._user_of_access_token(request)
        if user_id is None or not await self._is_in_use(user_id):
            reject(self._denial)
        return user_id

    async def _user_of_access_token(self, request: SynapseRequest) -> str | None:
        try:
            return await self._internals.user_of(request)
        except SynapseError as error:
            if error.code in (401, 403):
                return None
            raise

    async def _is_in_use(self, user_id: str) -> bool:
        """Whether an account of this server can be used by its owner."""
        if not self._api.is_mine(user_id):
            return False
        account = await self._api.get_userinfo_by_id(user_id)
        return account is not None and not (account.is_deactivated or account.locked or account.is_guest)
