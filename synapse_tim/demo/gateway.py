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
from synapse_tim.testing.servers.single_sign_on import CALLBACK, through_gateway

_CLIENT: Final = "synapse"
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
    secret = directory / "gateway-secret"
    secret.write_text(secrets.token_urlsafe(32))
    server.config["modules"][0]["config"]["identity_gateway"] = {
        "signing_keys": [private_key(directory / "gateway-key.pem")],
        "clients": [
            {
                "client_id": _CLIENT,
                "client_secret_path": str(secret),
                "redirect_uris": [f"{server.federation_url}{CALLBACK}"],
            }
        ],
        "upstreams": [{"provider": provider, "name": "Card", "central": {"authenticator": False}}],
    }
    server.config |= {
        "public_baseurl": f"{server.federation_url}/",
        "sso": {"update_profile_information": True, "client_whitelist": [_LANDING]},
        "oidc_providers": [through_gateway(server, _CLIENT, str(secret))],
    }


def login_by_browser(ti: TiSimulator, server: SynapseServer, person: str) -> dict[str, Any] | httpx.Response:
    """Go from the homeserver through the gateway to the IDP-Dienst and back.

    Args:
        person: the link that is followed on the page of the IDP-Dienst, by its text.

    Returns:
        The request of ``/login`` for which the browser came back, or the page on which it ended.
    """
    redirect = f"/_matrix/client/v3/login/sso/redirect/oidc-{_CLIENT}?redirectUrl={_LANDING}"
    url = f"{server.federation_url}{redirect}"
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
