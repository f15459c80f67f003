"""Where the identity gateway is: the issuer of its ID tokens."""

from typing import Final

#: Below ``public_baseurl``; the gateway is the only thing there.
GATEWAY_PATH: Final = "/_synapse/client/synapse_tim/oidc"


def gateway_issuer(public_baseurl: str) -> str:
    """The issuer of this homeserver's gateway, whether there is one or not."""
    return public_baseurl.rstrip("/") + GATEWAY_PATH
