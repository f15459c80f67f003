"""A Matrix client that logs in with the OAuth 2.0 APIs (Matrix 1.15), and the browser of its user."""

import secrets
from typing import Any, Final, Self
from urllib.parse import parse_qs, urljoin, urlsplit

import httpx

from synapse_tim.testing import loopback
from synapse_tim.testing.simulator.idp.oauth import challenge_of
from synapse_tim.testing.simulator.mas.sessions import API, DEVICE
from synapse_tim.testing.waiting import HANGING_SECONDS

REDIRECT: Final = "http://client.localhost/done"
_MOST_STEPS: Final = 20


class OAuthClient:
    """A client.

    Args:
        metadata: what ``/_matrix/client/v1/auth_metadata`` says.
        client_id: if it has registered before.

    Attributes:
        browser: of its user; follows redirects one by one, and keeps cookies.
        params: laid over what browsers add at pages of the simulated providers, such as ``person``.
    """

    def __init__(self, metadata: dict[str, Any], client_id: str = "") -> None:
        self.metadata = metadata
        self.client_id = client_id
        self.browser = httpx.Client(trust_env=False, verify=loopback.NO_TLS, timeout=HANGING_SECONDS)
        self.verifier = secrets.token_urlsafe(32)

    def __enter__(self) -> Self:
        """Nothing happens."""
        return self

    def __exit__(self, *error: object) -> None:
        """Close the browser."""
        self.browser.close()

    def register(self, **metadata: Any) -> httpx.Response:
        """Register the client; what it says of itself is that of a client on another machine."""
        usual = {
            "client_name": "test",
            "client_uri": "http://client.localhost/",
            "redirect_uris": [REDIRECT],
            "grant_types": ["authorization_code", "refresh_token"],
            "response_types": ["code"],
            "token_endpoint_auth_method": "none",
        }
        answer = loopback.post(self.metadata["registration_endpoint"], json={**usual, **metadata})
        if answer.is_success:
            self.client_id = answer.json()["client_id"]
        return answer

    def ask(self, scope: str | None = None, device_id: str = "", **more: str) -> str:
        """The address of an authorization request.

        Args:
            scope: default that of the client API and a device.
            device_id: default a new one.
            **more: laid over the usual parameters.
        """
        device = device_id or secrets.token_hex(5).upper()
        asked = {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": REDIRECT,
            "scope": f"{API[0]} {DEVICE[0]}{device}" if scope is None else scope,
            "state": secrets.token_urlsafe(8),
            "code_challenge": challenge_of(self.verifier),
            "code_challenge_method": "S256",
            **more,
        }
        return str(httpx.URL(self.metadata["authorization_endpoint"], params=asked))

    def visit(self, url: str, stop: str = REDIRECT, **params: str) -> httpx.Response:
        """Go to an address, follow redirects, and press the button of each page.

        Args:
            url: where to begin.
            stop: an address that is not visited; the answer that leads there is returned.
            **params: added at the first page that has links to choose from.
        """
        method = "GET"
        for _ in range(_MOST_STEPS):
            answer = self.browser.request(method, url)
            if answer.is_redirect:
                url, method = urljoin(url, answer.headers["Location"]), "GET"
                if url.startswith(stop):
                    return answer
            elif answer.status_code == 200 and '<form method="post">' in answer.text and method == "GET":
                method = "POST"
            elif answer.status_code == 200 and params and "href=" in answer.text:
                url, params = str(httpx.URL(url).copy_merge_params(params)), {}
            else:
                return answer
        raise AssertionError("the pages lead nowhere")

    def redeem(self, answer: httpx.Response, **more: str) -> httpx.Response:
        """Exchange the code in an address for tokens."""
        parts = urlsplit(answer.headers.get("Location", ""))
        (code,) = parse_qs(parts.query or parts.fragment).get("code", [""])
        return self.token(
            grant_type="authorization_code",
            code=code,
            redirect_uri=REDIRECT,
            code_verifier=self.verifier,
            **more,
        )

    def token(self, **form: str) -> httpx.Response:
        """Ask for tokens."""
        return loopback.post(self.metadata["token_endpoint"], data={"client_id": self.client_id, **form})
