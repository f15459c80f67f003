"""Federation with other servers: Synapse's allow-list, and the answers about servers that are denied."""

from collections.abc import Callable, Iterable
from typing import Any, Final

from synapse.federation.transport.server import federation as servlets
from synapse.module_api.errors import ConfigError

from synapse_tim.adapter import denied_servers
from synapse_tim.adapter.allow_list import AllowList
from synapse_tim.adapter.denied_destinations import DeniedDestinations
from synapse_tim.adapter.shape import Touches
from synapse_tim.core.denial import Denial

_SYNAPSE: Final = Touches("federation")
_CONFIG: Final = _SYNAPSE.reads("synapse.server.HomeServer.config", "it has the allow-list")
_SECTION: Final = _SYNAPSE.reads("synapse.config.homeserver.HomeServerConfig.federation", "likewise")
_ALLOWED: Final = _SYNAPSE.changes(
    "synapse.config.federation.FederationConfig.federation_domain_whitelist",
    "Synapse reads it at every request, in and out; it follows the federation list",
)
_SIGNED: Final = {
    name: _SYNAPSE.changes(
        f"synapse.federation.transport.server.federation.{name}.REQUIRE_AUTH",
        "the endpoint is served to strangers; it has to demand a signature (A_26331)",
    )
    for name in ("FederationVersionServlet", "On3pidBindServlet")
}


class SynapseFederation:
    """Decides which servers are talked to."""

    def __init__(self, hs: Any) -> None:
        self._hs = hs
        self._config = _SECTION.of(_CONFIG.of(hs))
        _ALLOWED.of(self._config)

    def install_allow_list(self, on_denied: Callable[[str], None]) -> AllowList:
        """Put a view of the members in the place of the configured, empty dictionary.

        Called before Synapse opens its listeners, whose parts keep a reference to it. Should the module
        never get to fill it, everything stays denied.

        Args:
            on_denied: called with the name of each server that is denied.

        Raises:
            ConfigError: ``federation_domain_whitelist: []`` is not configured.
        """
        configured = self._config.federation_domain_whitelist
        if isinstance(configured, AllowList):
            raise ConfigError(
                "synapse_tim: the federation allow-list is loaded twice; synapse_tim.TiMessenger "
                "already contains synapse_tim.FederationAllowList",
                path=("modules",),
            )
        if type(configured) is not dict or configured:
            raise ConfigError(
                "federation_domain_whitelist has to be configured as an empty list, "
                "'federation_domain_whitelist: []', so that Synapse denies all federation until "
                "synapse_tim has verified the federation list",
                path=("federation_domain_whitelist",),
            )
        allow_list = AllowList(on_denied)
        self._config.federation_domain_whitelist = allow_list
        return allow_list

    def may_reach(self, server_name: str) -> bool:
        """Whether this server may talk to another one, now or soon.

        True while there is no usable list.
        """
        allowed = self._config.federation_domain_whitelist
        if not allowed:
            return True
        return allowed.allows(server_name) if isinstance(allowed, AllowList) else server_name in allowed

    def require_signed_requests(self) -> None:
        """Let ``/_matrix/federation/v1/version`` and ``3pid/onbind`` demand a valid signature (A_26331).

        ``openid/userinfo``, the key endpoints and the well-knowns stay open, as requirement R1.19 demands.

        Raises:
            ConfigError: the endpoints are not where they were.
        """
        for name, touched in _SIGNED.items():
            servlet = getattr(servlets, name, None)
            if touched.of(servlet) not in (True, False):
                raise touched.unexpected()
            setattr(servlet, touched.name, True)

    def tell_of_denied_servers(
        self,
        why_denied: Callable[[str | None], Denial],
        require_one: Callable[[Iterable[str]], None],
    ) -> None:
        """See ``denied_servers``."""
        denied_servers.tell_of_denied_servers(self._hs, why_denied, require_one)

    def denied_destinations(self, allows: Callable[[str], bool]) -> DeniedDestinations:
        """See ``denied_destinations``."""
        return DeniedDestinations(self._hs, allows)
