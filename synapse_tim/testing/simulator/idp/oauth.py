"""What the identity providers share of OAuth 2.0: requests, codes, PKCE."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from typing import Generic, TypeVar
from urllib.parse import unquote_plus, urlencode

import attrs

from synapse_tim.jose.compact import base64url_encode as base64url
from synapse_tim.testing.http import Answer, Request
from synapse_tim.testing.simulator.one_shot import OneShot

T = TypeVar("T")


class OAuthError(Exception):
    """A request is refused (RFC 6749 §4.1.2.1 and §5.2)."""

    def __init__(self, error: str, description: str, status: int = 400) -> None:
        super().__init__(f"{error}: {description}")
        self.error = error
        self.description = description
        self.status = status

    @property
    def answer(self) -> Answer:
        """The answer to the request."""
        return Answer.of_json({"error": self.error, "error_description": self.description}, self.status)


def basic_credentials(request: Request) -> dict[str, str]:
    """``client_id`` and ``client_secret`` if they are in the header (RFC 6749 §2.3.1).

    Raises:
        OAuthError: they are, and cannot be read.
    """
    scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return {}
    try:
        client_id, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
    except ValueError:
        raise OAuthError("invalid_client", "the credentials cannot be read", 401) from None
    return {"client_id": unquote_plus(client_id), "client_secret": unquote_plus(secret)}


def required(parameters: Mapping[str, str], name: str) -> str:
    """A parameter that has to be there; ``OAuthError`` if it is not."""
    if not parameters.get(name):
        raise OAuthError("invalid_request", f"{name} is missing")
    return parameters[name]


def challenge_of(verifier: str) -> str:
    """What PKCE sends ahead of a verifier (method S256, RFC 7636 §4.2)."""
    return base64url(hashlib.sha256(verifier.encode()).digest()).decode()


@attrs.frozen
class AuthorizationRequest:
    """What a client asked for."""

    client_id: str  #: who asks
    redirect_uri: str  #: where the answer goes
    scope: str  #: what is asked for
    state: str | None = None  #: comes back with the code
    nonce: str | None = None  #: comes back in the ID token
    challenge: str | None = None  #: of PKCE; ``None`` without it

    @classmethod
    def of(cls, parameters: Mapping[str, str], *demanded: str, openid: bool = True) -> AuthorizationRequest:
        """Read a request.

        Args:
            parameters: the query, or the form of a pushed request.
            demanded: further parameters that have to be there, for instance ``code_challenge``.
            openid: whether the scope has to say so.

        Raises:
            OAuthError: a parameter is missing or not supported.
        """
        client_id, redirect_uri = required(parameters, "client_id"), required(parameters, "redirect_uri")
        # It becomes a line of the answer's header.
        if not redirect_uri.isascii() or not redirect_uri.isprintable() or " " in redirect_uri:
            raise OAuthError("invalid_request", "redirect_uri is no URL")
        if required(parameters, "response_type") != "code":
            raise OAuthError("unsupported_response_type", "only code")
        scope = required(parameters, "scope")
        if openid and "openid" not in scope.split():
            raise OAuthError("invalid_scope", "openid is missing")
        for name in demanded:
            required(parameters, name)
        challenge = parameters.get("code_challenge")
        if challenge is not None and parameters.get("code_challenge_method") != "S256":
            raise OAuthError("invalid_request", "code_challenge_method: only S256")
        state, nonce = parameters.get("state"), parameters.get("nonce")
        return cls(client_id, redirect_uri, scope, state, nonce, challenge)

    def check(self, form: Mapping[str, str], verifier: str | None) -> None:
        """Refuse a client that is not the one that asked.

        Args:
            form: of the token request.
            verifier: of PKCE, or ``None``.

        Raises:
            OAuthError: ``invalid_grant``.
        """
        for name, value in (("client_id", self.client_id), ("redirect_uri", self.redirect_uri)):
            if form.get(name) != value:
                raise OAuthError("invalid_grant", f"{name} is another than in the authorization request")
        if self.challenge is not None and (verifier is None or challenge_of(verifier) != self.challenge):
            raise OAuthError("invalid_grant", "the code_verifier does not fit the code_challenge")

    def redirect(self, code: str) -> Answer:
        """Send the browser back to the client with a code."""
        parameters = {"code": code} if self.state is None else {"code": code, "state": self.state}
        separator = "&" if "?" in self.redirect_uri else "?"
        return Answer(302, headers={"Location": self.redirect_uri + separator + urlencode(parameters)})


@attrs.frozen
class Grant(Generic[T]):
    """Who logged in, upon which request."""

    request: AuthorizationRequest
    person: T


def redeem(codes: OneShot[Grant[T]], form: Mapping[str, str]) -> Grant[T]:
    """What a code stands for; it is used up, even if the rest of the token request turns out to be wrong.

    Raises:
        OAuthError: another kind of grant, or a code that is unknown, used up or expired.
    """
    if required(form, "grant_type") != "authorization_code":
        raise OAuthError("unsupported_grant_type", "only authorization_code")
    grant = codes.take(required(form, "code"))
    if grant is None:
        raise OAuthError("invalid_grant", "the code is unknown, used up or expired")
    return grant
