"""Users of gematik's interfaces: local users who show an OpenID token (requirement R5.6).

Refused: no token or more than one, tokens in the address, unknown or expired tokens, and users
whose account has been deactivated or locked since, or is a guest's.
"""

from synapse.module_api import SynapseRequest
from synapse.module_api.errors import SynapseError

from synapse_tim.adapter.answers import reject
from synapse_tim.adapter.client_api import ClientApi
from synapse_tim.adapter.homeserver import Homeserver
from synapse_tim.core.bearer import bearer_token
from synapse_tim.core.denial import Denial


class OpenIdUsers:
    """Looks up who shows a token.

    Args:
        denial: for a request that is not a user's.
        accept_access_tokens: whether access tokens of the client API are accepted, too.
    """

    def __init__(self, homeserver: Homeserver, denial: Denial, *, accept_access_tokens: bool = False) -> None:
        self._api = homeserver.api
        self._tokens = homeserver.open_id_tokens
        self._client_api = homeserver.client_api if accept_access_tokens else None
        self._denial = denial

    async def require(self, request: SynapseRequest) -> str:
        """Refuse a request that is not a user's.

        Returns:
            The user id.

        Raises:
            SynapseError: 401 ``M_UNKNOWN_TOKEN``; Synapse's own error if it cannot tell.
        """
        token = bearer_token(request.requestHeaders.getRawHeaders(b"Authorization") or ())
        user_id = None if token is None else await self._tokens.user_of(token)
        if user_id is None and token is not None and self._client_api is not None:
            user_id = await _user_of_access_token(self._client_api, request)
        if user_id is None or not await self._is_in_use(user_id):
            reject(self._denial)
        return user_id

    async def _is_in_use(self, user_id: str) -> bool:
        """Whether an account of this server can be used by its owner."""
        if not self._api.is_mine(user_id):
            return False
        account = await self._api.get_userinfo_by_id(user_id)
        return account is not None and not (account.is_deactivated or account.locked or account.is_guest)


async def _user_of_access_token(client_api: ClientApi, request: SynapseRequest) -> str | None:
    try:
        return await client_api.user_of(request)
    except SynapseError as error:
        if error.code in (401, 403):
            return None
        raise
