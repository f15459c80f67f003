"""A client of the simulated identity providers that gets ID tokens in the way genuine clients do."""

import json
import secrets
import ssl
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
from cryptography.hazmat.primitives.asymmetric import ec

from synapse_tim.jose.compact import base64url_decode, base64url_encode
from synapse_tim.jose.jwe import decrypt_with
from synapse_tim.jose.jwk import public_key
from synapse_tim.testing.simulator.idp import jwe
from synapse_tim.testing.simulator.idp.oauth import challenge_of
from synapse_tim.testing.simulator.pki.signing import compact_json
from synapse_tim.testing.simulator.simulator import TiSimulator
from synapse_tim.testing.waiting import HANGING_SECONDS

_KEY_OCTETS = 32


class RelyingParty:
    """A client.

    It believes the documents of the providers without verifying any signature.

    Args:
        ti: the simulator.
        client_id: its name at the providers.
        redirect_uri: where codes go; nothing has to be there.
    """

    def __init__(self, ti: TiSimulator, client_id: str, redirect_uri: str) -> None:
        self.client_id = client_id
        self.redirect_uri = redirect_uri
        self._ti = ti

    def central_id_token(self, card_name: str, nonce: str | None = None) -> str:
        """Log in at the central IDP.

        Args:
            card_name: a key of ``TiSimulator.idp.cards``.
            nonce: default a new one.

        Returns:
            The JWS, decrypted.

        Raises:
            httpx.HTTPError: the provider refuses, or cannot be reached.
        """
        verifier, token_key = secrets.token_urlsafe(32), secrets.token_bytes(_KEY_OCTETS)
        with self._client() as http:
            document = _json_of(http.get(self._ti.idp.discovery_url).raise_for_status().text.split(".")[1])
            asked = self._request("openid gem-auth", nonce, verifier)
            answer = http.get(document["authorization_endpoint"], params={**asked, "card": card_name})
            recipient = public_key(http.get(document["uri_puk_idp_enc"]).raise_for_status().json())
            if not isinstance(recipient, ec.EllipticCurvePublicKey):
                raise TypeError("puk_idp_enc is no EC key")
            secret = {"token_key": base64url_encode(token_key).decode(), "code_verifier": verifier}
            key_verifier = jwe.encrypt(compact_json(secret), recipient, header={"cty": "JSON"})
            form = {"code": _code_of(answer, asked["state"]), "key_verifier": key_verifier}
            tokens = self._tokens(http, document["token_endpoint"], form)
        inner: str = json.loads(decrypt_with(tokens["id_token"].encode(), token_key))["njwt"]
        return inner

    def sectoral_id_token(self, person_name: str, nonce: str | None = None) -> str:
        """Log in at the sectoral identity provider, which has to know a key to encrypt for.

        Args:
            person_name: a key of ``TiSimulator.sectoral.persons``.
            nonce: default a new one.

        Returns:
            The JWE with the JWS in it.

        Raises:
            httpx.HTTPError: the provider refuses, or cannot be reached.
        """
        verifier = secrets.token_urlsafe(32)
        with self._client() as http:
            document = http.get(self._ti.sectoral.discovery_url).raise_for_status().json()
            asked = self._request("openid urn:telematik:versicherter", nonce, verifier)
            pushed = http.post(document["pushed_authorization_request_endpoint"], data=asked)
            uri = pushed.raise_for_status().json()["request_uri"]
            query = {"client_id": self.client_id, "request_uri": uri, "person": person_name}
            answer = http.get(document["authorization_endpoint"], params=query)
            form = {"code": _code_of(answer, asked["state"]), "code_verifier": verifier}
            token: str = self._tokens(http, document["token_endpoint"], form)["id_token"]
        return token

    def _client(self) -> httpx.Client:
        context = ssl.create_default_context(cafile=str(self._ti.ca_file))
        if self._ti.require_client_certificate:
            context.load_cert_chain(self._ti.client_pem)
        return httpx.Client(verify=context, trust_env=False, timeout=HANGING_SECONDS)

    def _request(self, scope: str, nonce: str | None, verifier: str) -> dict[str, str]:
        return {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": self.redirect_uri,
            "scope": scope,
            "state": secrets.token_urlsafe(16),
            "nonce": nonce or secrets.token_urlsafe(16),
            "code_challenge": challenge_of(verifier),
            "code_challenge_method": "S256",
        }

    def _tokens(self, http: httpx.Client, url: str, form: Mapping[str, str]) -> dict[str, Any]:
        usual = {"grant_type": "authorization_code", "client_id": self.client_id}
        answer = http.post(url, data={**usual, "redirect_uri": self.redirect_uri, **form})
        tokens: dict[str, Any] = answer.raise_for_status().json()
        return tokens


def _code_of(answer: httpx.Response, state: str) -> str:
    """The code in the address that a provider redirects to."""
    if answer.status_code != httpx.codes.FOUND:
        raise httpx.HTTPStatusError(
            f"no redirect: {answer.status_code} {answer.text}", request=answer.request, response=answer
        )
    parameters = parse_qs(urlsplit(answer.headers["Location"]).query)
    if parameters["state"] != [state]:
        raise httpx.HTTPStatusError("another state", request=answer.request, response=answer)
    return parameters["code"][0]


def _json_of(segment: str) -> dict[str, Any]:
    members: dict[str, Any] = json.loads(base64url_decode(segment.encode()))
    return members
