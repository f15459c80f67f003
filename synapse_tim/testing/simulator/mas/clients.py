"""Clients that register themselves (RFC 7591), by MAS's default policy."""

import json
import secrets
import time
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from synapse_tim.testing.http import Answer, Request
from synapse_tim.testing.simulator.idp.oauth import OAuthError

DEVICE_CODE: Final = "urn:ietf:params:oauth:grant-type:device_code"
_GRANTS: Final = ("authorization_code", "refresh_token")
_LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")


class Clients:
    """The clients that are known; the policy is ``policy.data.client_registration``."""

    def __init__(self, policy: Mapping[str, Any], *, device_grant: bool) -> None:
        self._policy = policy
        self.grants = (*_GRANTS, DEVICE_CODE) if device_grant else _GRANTS
        self._known: dict[str, dict[str, Any]] = {}

    def register(self, request: Request) -> Answer:
        """Register a client.

        Raises:
            OAuthError: what it says of itself is wrong.
        """
        try:
            metadata = json.loads(request.body)
        except ValueError:
            metadata = None
        if not isinstance(metadata, dict):
            raise OAuthError("invalid_client_metadata", "expected a JSON object")
        if not isinstance(metadata.get("redirect_uris", []), list):
            raise OAuthError("invalid_redirect_uri", "expected a list")
        grants = metadata.get("grant_types") or ["authorization_code"]
        if not set(grants) <= set(self.grants):
            raise OAuthError("invalid_client_metadata", "grant_types")
        if metadata.get("token_endpoint_auth_method", "client_secret_basic") != "none":
            raise OAuthError("invalid_client_metadata", "the stand-in has public clients only")
        self._check_addresses(metadata)
        client_id = secrets.token_hex(13).upper()
        self._known[client_id] = {**metadata, "grant_types": grants}
        answer = {**self._known[client_id], "client_id": client_id, "client_id_issued_at": int(time.time())}
        return Answer.of_json(answer, 201)

    def _check_addresses(self, metadata: Mapping[str, Any]) -> None:
        client_uri, uris = metadata.get("client_uri"), metadata.get("redirect_uris", [])
        if client_uri is None and not self._policy.get("allow_missing_client_uri"):
            raise OAuthError("invalid_client_metadata", "client_uri is missing")
        native = metadata.get("application_type") == "native"
        for uri in uris:
            parts = urlsplit(str(uri))
            if parts.fragment or not parts.scheme:
                raise OAuthError("invalid_redirect_uri", "no fragment, and a scheme")
            if native and ("." in parts.scheme or (parts.scheme == "http" and parts.hostname in _LOOPBACK)):
                continue
            if parts.scheme != "https" and not self._policy.get("allow_insecure_uris"):
                raise OAuthError("invalid_redirect_uri", "https is demanded")
            home, host = urlsplit(str(client_uri)).hostname or "", parts.hostname or ""
            if not self._policy.get("allow_host_mismatch") and host != home and not host.endswith(f".{home}"):
                raise OAuthError("invalid_redirect_uri", "another host than that of client_uri")

    def check(self, client_id: str, grant: str, redirect_uri: str | None = None) -> None:
        """Refuse a client that is unknown, or does something else than it said.

        Raises:
            OAuthError: the reason.
        """
        client = self._known.get(client_id)
        if client is None:
            raise OAuthError("invalid_client", "the client is unknown", 401)
        if grant not in client["grant_types"]:
            raise OAuthError("unauthorized_client", "the client did not ask for this grant")
        if redirect_uri is not None and redirect_uri not in client.get("redirect_uris", []):
            raise OAuthError("invalid_request", "redirect_uri is none of the client's")
