"""Single sign-on of a homeserver through its own identity gateway."""

from typing import Any

from synapse_tim.login.gateway_issuer import GATEWAY_PATH
from synapse_tim.testing.servers.synapse import SynapseServer

#: Where the gateway sends a browser back to Synapse, below ``public_baseurl``.
CALLBACK = "/_synapse/client/oidc/callback"


def through_gateway(server: SynapseServer, client_id: str, client_secret_path: str) -> dict[str, Any]:
    """The gateway as one of ``oidc_providers``: nothing is fetched before the server listens.

    Args:
        server: with ``public_baseurl`` at its federation listener, which has TLS.
        client_id: of Synapse among ``identity_gateway.clients``.
        client_secret_path: the file with its secret.
    """
    issuer, inside = f"{server.federation_url}{GATEWAY_PATH}", f"{server.client_url}{GATEWAY_PATH}"
    return {
        "idp_id": client_id,
        "idp_name": "GesundheitsID",
        "discover": False,
        "issuer": issuer,
        "authorization_endpoint": f"{issuer}/authorize",
        "token_endpoint": f"{inside}/token",
        "userinfo_endpoint": f"{inside}/userinfo",
        "jwks_uri": f"{inside}/jwks.json",
        "user_profile_method": "userinfo_endpoint",
        "id_token_signing_alg_values_supported": ["ES256"],
        "skip_verification": True,  # no TLS on loopback
        "client_id": client_id,
        "client_secret_path": client_secret_path,
        "scopes": ["openid", "profile"],
        "pkce_method": "always",
        "enable_registration": False,
        "backchannel_logout_enabled": True,
        "user_mapping_provider": {
            "config": {
                "localpart_template": "{{ user.localpart }}",
                "display_name_template": "{{ user.name }}",
            }
        },
    }
