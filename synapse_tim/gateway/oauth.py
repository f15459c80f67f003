"""OAuth 2.0 and OpenID Connect towards relying parties: Authlib's grant for codes, and what is demanded too.

Authlib is synchronous and the database is not: what it asks for is fetched before it is called, and what it
makes is stored afterwards. Refused besides what Authlib refuses: no PKCE or ``plain`` (RFC 9700 §2.1.1), no
``nonce``, parameters twice, ``response_mode`` other than ``query``, request objects.
"""

import contextlib
import logging
import re
import secrets
import time
from collections.abc import Iterator, Mapping
from typing import Any, Final, NoReturn

from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749 import AuthorizationServer, InvalidClientError, InvalidRequestError
from authlib.oauth2.rfc6749.grants import AuthorizationCodeGrant
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oidc.core.grants import OpenIDCode
from authlib.oidc.core.util import create_half_hash

from synapse_tim.core.text import is_storable
from synapse_tim.gateway.client_assertions import ClientAssertion
from synapse_tim.gateway.clients import PRIVATE_KEY, SECRET_BASIC, Client
from synapse_tim.gateway.requests import MAX_VALUE, Asked, Grant, Request
from synapse_tim.gateway.signing import ALGORITHM, SigningKeys

# Authlib logs tokens at DEBUG.
logging.getLogger("authlib").setLevel(logging.INFO)

#: How long a code holds, an access token, and an ID token, in seconds.
CODE_SECONDS: Final = 60
TOKEN_SECONDS: Final = 300
PROMPTS: Final = ("none", "login", "select_account")

_METHODS: Final = (SECRET_BASIC, PRIVATE_KEY)
_CHALLENGE: Final = re.compile(r"[A-Za-z0-9_-]{43}")
_SECONDS: Final = re.compile(r"[0-9]{1,9}")
_UNSUPPORTED: Final = {"request": "request_not_supported", "request_uri": "request_uri_not_supported"}


class _CodeGrant(AuthorizationCodeGrant):  # type: ignore[misc]
    TOKEN_ENDPOINT_AUTH_METHODS = _METHODS

    def authenticate_token_endpoint_client(self) -> Client:
        """It has authenticated before the code was taken."""
        client: Client = self.request.client
        return client

    def query_authorization_code(self, code: str, client: Client) -> Grant | None:
        grant: Grant | None = self.request.grant
        return grant if grant is not None and grant.client_id == client.client_id else None

    def delete_authorization_code(self, authorization_code: Grant) -> None:
        """It was taken."""

    def authenticate_user(self, authorization_code: Grant) -> dict[str, Any]:
        return authorization_code.claims


class _Challenge(CodeChallenge):  # type: ignore[misc]
    SUPPORTED_CODE_CHALLENGE_METHOD = ("S256",)

    def validate_code_challenge(self, grant: Any, redirect_uri: str) -> None:
        data = grant.request.payload.data
        if data.get("code_challenge_method") != "S256" or not _CHALLENGE.fullmatch(
            data.get("code_challenge", "")
        ):
            raise InvalidRequestError("PKCE with code_challenge_method S256 is required.")
        super().validate_code_challenge(grant, redirect_uri)


class _OpenId(OpenIDCode):  # type: ignore[misc]
    DEFAULT_EXPIRES_IN = TOKEN_SECONDS

    def __init__(self, issuer: str, keys: SigningKeys) -> None:
        super().__init__(require_nonce=True)
        self._issuer = issuer
        self._keys = keys

    def exists_nonce(self, nonce: str, request: Request) -> bool:
        """Each is noted when a code is made for it."""
        return False

    def encode_id_token(self, token: Mapping[str, Any], request: Request) -> str:
        now = int(time.time())
        claims = {
            **self.generate_user_info(request.user, token["scope"]),
            "iss": self._issuer,
            "aud": request.client.client_id,
            "iat": now,
            "exp": now + TOKEN_SECONDS,
            "nonce": request.authorization_code.nonce,
            "at_hash": create_half_hash(token["access_token"], ALGORITHM).decode(),
        }
        return self._keys.sign(claims, "JWT")

    def generate_user_info(self, user: Mapping[str, Any], scope: str) -> dict[str, Any]:
        return claims_for(user, scope)


def claims_for(claims: Mapping[str, Any], scope: str) -> dict[str, Any]:
    """The claims of a person that a scope stands for."""
    return {name: value for name, value in claims.items() if name != "name" or "profile" in scope.split()}


class OAuth(AuthorizationServer):  # type: ignore[misc]
    """The authorization server."""

    def __init__(self, issuer: str, clients: Mapping[str, Client], keys: SigningKeys) -> None:
        super().__init__()
        self.issuer = issuer
        self._clients = clients
        self.register_grant(_CodeGrant, [_Challenge(required=True), _OpenId(issuer, keys)])
        self.register_token_generator("default", _new_token)
        audiences = [issuer, f"{issuer}/token"]
        self.register_client_auth_method(
            PRIVATE_KEY, lambda query, request: ClientAssertion(request, audiences)(query, request)
        )

    def check_authorization(self, parameters: Mapping[str, str]) -> Asked:
        """What a relying party asks for.

        Raises:
            OAuth2Error: it may not, or not so; with ``redirect_uri`` if the browser may be sent there.
        """
        request = Request("GET", parameters)
        with _as_errors():
            grant = self.get_consent_grant(request)
        with_state = request.payload.state
        redirect_uri: str = grant.redirect_uri
        try:
            _check_rest(parameters)
        except OAuth2Error as error:
            error.redirect_uri, error.state = redirect_uri, with_state
            raise
        max_age = parameters.get("max_age")
        return Asked(
            client_id=request.client.client_id,
            redirect_uri=redirect_uri,
            scope=request.scope,
            nonce=parameters["nonce"],
            challenge=parameters["code_challenge"],
            state=with_state,
            prompts=tuple(parameters.get("prompt", "").split()),
            max_age=None if max_age is None else int(max_age),
        )

    def authenticate(self, request: Request) -> Client:
        """The relying party that makes a request.

        Raises:
            OAuth2Error: it does not show who it is.
        """
        if "Authorization" in request.headers and "client_assertion" in request.form:
            raise InvalidRequestError("Two ways to authenticate.")  # RFC 6749 §2.3
        with _as_errors():
            client: Client = self.authenticate_client(request, list(_METHODS))
        said = request.form.get("client_id")
        if said is not None and said != client.client_id:
            raise InvalidClientError(description="client_id is another one.")
        request.client = client
        return client

    def redeem(self, request: Request) -> dict[str, Any]:
        """The answer to a token request of a relying party that has authenticated, whose code was taken.

        Raises:
            OAuth2Error: the code is not good, not its, or the rest does not fit.
        """
        grant = self.get_token_grant(request)
        grant.validate_token_request()
        _, token, _ = grant.create_token_response()
        answer: dict[str, Any] = token
        return answer

    # What Authlib asks

    def query_client(self, client_id: str) -> Client | None:
        """A relying party."""
        return self._clients.get(client_id)

    def create_oauth2_request(self, request: Request) -> Request:
        """The request is one."""
        return request

    def save_token(self, token: object, request: object) -> None:
        """The caller does."""

    def send_signal(self, name: str, *args: object, **kwargs: object) -> None:
        """Nobody listens."""


def _new_token(grant_type: str, client: Client, user: object, scope: str, **rest: object) -> dict[str, Any]:
    return {
        "token_type": "Bearer",
        "access_token": secrets.token_urlsafe(32),
        "expires_in": TOKEN_SECONDS,
        "scope": scope,
    }


def _check_rest(parameters: Mapping[str, str]) -> None:
    """Refuse what Authlib does not look at."""
    for name, error in _UNSUPPORTED.items():
        if name in parameters:
            _refuse(error, f"{name} is not supported.")
    for name in ("state", "nonce"):
        value = parameters.get(name, "")
        if len(value) > MAX_VALUE or not is_storable(value):
            _refuse("invalid_request", f"{name} is too long, or no text.")
    if parameters.get("response_mode", "query") != "query":
        _refuse("invalid_request", "response_mode has to be query.")
    if not set(parameters.get("prompt", "").split()) <= set(PROMPTS):
        _refuse("invalid_request", f"prompt has to be of {', '.join(PROMPTS)}.")
    if not _SECONDS.fullmatch(parameters.get("max_age", "0")):
        _refuse("invalid_request", "max_age has to be a number of seconds.")


@contextlib.contextmanager
def _as_errors() -> Iterator[None]:
    """Turn what Authlib fails on into errors: credentials, and descriptions, that are no ASCII."""
    try:
        yield
    except OAuth2Error:
        raise
    except ValueError:
        raise InvalidRequestError("A value has characters that are not allowed.") from None


def _refuse(error: str, description: str) -> NoReturn:
    raise OAuth2Error(description, error=error)
