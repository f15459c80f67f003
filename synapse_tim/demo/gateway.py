"""The identity gateway of the demo's hospital, and a browser that logs in through it."""

import re
import secrets
import ssl
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, urljoin, urlsplit

import httpx
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from synapse_tim.testing import SynapseServer, TiSimulator

_PATH: Final = "/_synapse/client/synapse_tim/oidc"
_CALLBACK: Final = "/_synapse/client/oidc/callback"
#: Where Synapse sends a browser that has logged in; nobody listens there.
_LANDING: Final = "http://localhost/landing"
_MOST_STEPS: Final = 20
_SECONDS: Final = 30.0


def private_key(path: Path) -> str:
    """Write a new key on P-256; the path."""
    path.write_bytes(
        ec.generate_private_key(ec.SECP256R1()).private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return str(path)


def add_gateway(server: SynapseServer, directory: Path, provider: str) -> None:
    """Configure the gateway, for the central IDP-Dienst, and Synapse's single sign-on through it.

    Args:
        server: that is not started yet.
        directory: for keys and secrets.
        provider: id of the IDP-Dienst in ``login.providers``.
    """
    issuer, inside = f"{server.federation_url}{_PATH}", f"{server.client_url}{_PATH}"
    secret = directory / "gateway-secret"
    secret.write_text(secrets.token_urlsafe(32))
    client = {"client_id": "synapse", "client_secret_path": str(secret)}
    server.config["modules"][0]["config"]["identity_gateway"] = {
        "signing_keys": [private_key(directory / "gateway-key.pem")],
        "clients": [{**client, "redirect_uris": [f"{server.federation_url}{_CALLBACK}"]}],
        "upstreams": [{"provider": provider, "name": "Card", "central": {"authenticator": False}}],
    }
    server.config |= {
        "public_baseurl": f"{server.federation_url}/",
        "sso": {"update_profile_information": True, "client_whitelist": [_LANDING]},
        "oidc_providers": [
            {
                **client,
                "idp_id": "gateway",
                "idp_name": "Card",
                "discover": False,
                "issuer": issuer,
                "authorization_endpoint": f"{issuer}/authorize",
                "token_endpoint": f"{inside}/token",
                "userinfo_endpoint": f"{inside}/userinfo",
                "jwks_uri": f"{inside}/jwks.json",
                "user_profile_method": "userinfo_endpoint",
                "id_token_signing_alg_values_supported": ["ES256"],
                "skip_verification": True,  # no TLS on loopback
                "scopes": ["openid", "profile"],
                "pkce_method": "always",
                "enable_registration": False,
                "user_mapping_provider": {"config": {"localpart_template": "{{ user.localpart }}"}},
            }
        ],
    }


def login_by_browser(ti: TiSimulator, server: SynapseServer, person: str) -> dict[str, Any] | httpx.Response:
    """Go from the homeserver through the gateway to the IDP-Dienst and back.

    Args:
        person: the link that is followed on the page of the IDP-Dienst, by its text.

    Returns:
        The request of ``/login`` for which the browser came back, or the page on which it ended.
    """
    url = f"{server.federation_url}/_matrix/client/v3/login/sso/redirect/oidc-gateway?redirectUrl={_LANDING}"
    tls = ssl.create_default_context(cafile=ti.ca_file)
    with httpx.Client(trust_env=False, verify=tls, timeout=_SECONDS) as browser:
        for _ in range(_MOST_STEPS):
            page = browser.get(url)
            link = re.search(rf'href="([^"]+)">{re.escape(person)}<', page.text)
            if page.is_redirect:
                url = urljoin(url, page.headers["Location"])
            elif link is not None:
                url = urljoin(url, link[1].replace("&amp;", "&"))
            else:
                return page
            if url.startswith(_LANDING):
                (token,) = parse_qs(urlsplit(url).query)["loginToken"]
                return {"type": "m.login.token", "token": token}
    return page
