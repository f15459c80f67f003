"""What upstreams share."""

import attrs
from synapse.module_api import ModuleApi

from synapse_tim.gateway.upstream.config import EntityConfig
from synapse_tim.login.config import LoginPolicyConfig


@attrs.frozen(eq=False)
class Surroundings:
    """Where upstreams are."""

    api: ModuleApi
    login: LoginPolicyConfig  #: providers, keys that tokens are encrypted for, the TI's roots
    issuer: str  #: of the gateway; ``redirect_uri`` is ``{issuer}/callback``
    public_baseurl: str  #: of the homeserver, with a slash at the end
    entity: EntityConfig | None = None  #: what we are in the OpenID federation
