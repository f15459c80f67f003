"""OpenID tokens of users."""

from typing import Any, Final

from synapse.storage.databases.main.openid import OpenIdStore

from synapse_tim.adapter.shape import Touches
from synapse_tim.adapter.stores import main_store

_SYNAPSE: Final = Touches("OpenID tokens")
_LOOK_UP: Final = _SYNAPSE.calls(
    "synapse.storage.databases.main.openid.OpenIdStore.get_user_id_for_open_id_token(token, ts_now_ms)",
    "whom a token was issued to; the stores of generic workers lack it",
)
_POOL: Final = _SYNAPSE.reads(
    "synapse.storage.databases.main.DataStore.db_pool", "`get_user_id_for_open_id_token` reads it"
)
_NOW: Final = _SYNAPSE.calls("synapse.util.clock.Clock.time_msec", "tokens expire")


class OpenIdTokens:
    """Looks up OpenID tokens."""

    def __init__(self, hs: Any, clock: Any) -> None:
        self._store = main_store(hs)
        self._look_up = _LOOK_UP.of(OpenIdStore)
        _POOL.of(self._store)
        self._now_ms = _NOW.of(clock)

    async def user_of(self, token: str) -> str | None:
        """User an OpenID token was issued to, or ``None`` if it is unknown or expired."""
        user_id: str | None = await self._look_up(self._store, token, self._now_ms())
        return user_id
