"""The one place that touches parts of Synapse outside its module API.

Synapse offers modules no way to allow or deny federation, so four things are done here, each after asserting
the shape of what it touches. If a new Synapse release looks different, start-up fails with a message that
says so; nothing silently stops enforcing.

- The federation allow-list is a dictionary that Synapse reads at every request, in and out.
- Two federation endpoints are served to strangers; they are made to demand a signature (A_26331).
- Joins through another server fetch the complete state of the room.
- Module caches that follow other processes need Synapse's clock.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

from synapse.federation.transport.server import _base as federation_base
from synapse.federation.transport.server import federation as federation_servlets
from synapse.module_api import ModuleApi
from synapse.module_api.errors import ConfigError, SynapseError


class Whitelist(dict[str, bool]):
    """Synapse's ``federation_domain_whitelist``, which also tells whom it denied.

    Synapse asks it with ``in`` at each signed request that comes in, each request that goes out, and for
    media and keys. It is only ever changed in the reactor's thread.

    Args:
        on_denied: called with each name that is not in it.
    """

    def __init__(self, on_denied: Callable[[str], None]) -> None:
        super().__init__()
        self._on_denied = on_denied

    def __contains__(self, name: object) -> bool:
        if super().__contains__(name):
            return True
        if isinstance(name, str):
            self._on_denied(name)
        return False


class SynapseInternals:
    """Asserts the shape of the internals that are needed, and hands them out.

    Args:
        api: Synapse's module API.

    Raises:
        ConfigError: this Synapse is not the one that the assertions describe.
    """

    def __init__(self, api: ModuleApi) -> None:
        self._hs = _attribute(api, "_hs", "ModuleApi._hs")
        self._federation_config = _attribute(
            _attribute(self._hs, "config", "HomeServer.config"), "federation", "config.federation"
        )
        _attribute(
            self._federation_config, "federation_domain_whitelist", "federation.federation_domain_whitelist"
        )
        self.clock = _attribute(api, "_clock", "ModuleApi._clock")

    def install_whitelist(self, on_denied: Callable[[str], None]) -> Whitelist:
        """Put a dictionary that can be changed in the place of the configured, empty one.

        Called before Synapse opens its listeners, whose parts keep a reference to it. Should the module
        never get to fill it, everything stays denied.

        Raises:
            ConfigError: ``federation_domain_whitelist: []`` is not configured.
        """
        configured = self._federation_config.federation_domain_whitelist
        if isinstance(configured, Whitelist):
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
        whitelist = Whitelist(on_denied)
        self._federation_config.federation_domain_whitelist = whitelist
        return whitelist

    def require_signed_requests(self) -> None:
        """Let ``/_matrix/federation/v1/version`` and ``3pid/onbind`` demand a valid signature (A_26331).

        ``openid/userinfo``, the key endpoints and the well-knowns stay open, as requirement R1.19 demands.

        Raises:
            ConfigError: the endpoints are not where they were.
        """
        _attribute(
            federation_base.BaseFederationServlet, "REQUIRE_AUTH", "BaseFederationServlet.REQUIRE_AUTH"
        )
        for name in ("FederationVersionServlet", "On3pidBindServlet"):
            servlet = _attribute(federation_servlets, name, f"federation servlet {name}")
            if getattr(servlet, "REQUIRE_AUTH", None) not in (True, False):
                raise _incompatible(f"{name}.REQUIRE_AUTH")
            servlet.REQUIRE_AUTH = True

    def join_with_complete_state(self) -> None:
        """Fetch the complete state of a room when joining it through another server.

        By default Synapse joins with a part of the state and fetches the rest behind the user's back. If the
        room has members on a server that may not be talked to and whose key is unknown, that never ends:
        the room stays incomplete and requests for its members hang. With the complete state the join itself
        verifies what can be verified, leaves out the rest, and either succeeds or fails at once.

        Raises:
            ConfigError: the federation client does not look as expected.
        """
        client = _attribute(self._hs, "get_federation_client", "HomeServer.get_federation_client")()
        send_join = _attribute(client, "send_join", "FederationClient.send_join")
        if "partial_state" not in inspect.signature(send_join).parameters:
            raise _incompatible("FederationClient.send_join(partial_state=…)")

        @functools.wraps(send_join)
        async def complete(*args: Any, **kwargs: Any) -> Any:
            bound = inspect.signature(send_join).bind(*args, **kwargs)
            bound.arguments["partial_state"] = False
            joined = await send_join(*bound.args, **bound.kwargs)
            if joined.partial_state:
                raise SynapseError(502, "The other server withheld a part of the room's state")
            return joined

        client.send_join = complete


def _attribute(owner: object, name: str, what: str) -> Any:
    try:
        return getattr(owner, name)
    except AttributeError:
        raise _incompatible(what) from None


def _incompatible(what: str) -> ConfigError:
    from synapse import __version__ as synapse_version

    return ConfigError(
        f"synapse_tim does not know this Synapse ({synapse_version}): {what} is not as expected. "
        "Use a release of synapse_tim that lists this version as supported.",
        path=("modules",),
    )
