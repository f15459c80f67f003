"""Relying parties that show who they are with a signature (``private_key_jwt``, RFC 7523)."""

import time
from collections.abc import Mapping
from typing import Any, Final

from authlib.oauth2.rfc6749 import InvalidClientError
from authlib.oauth2.rfc7523 import JWTBearerClientAssertion

from synapse_tim.core.text import is_storable
from synapse_tim.gateway.clients import PRIVATE_KEY, Client
from synapse_tim.gateway.requests import MAX_VALUE, Request
from synapse_tim.jose.errors import JoseError
from synapse_tim.jose.jwk import KeySet
from synapse_tim.jose.signed_token import SignatureRules, SignedToken

#: How they sign.
ASSERTION_RULES: Final = SignatureRules(
    frozenset({"ES256", "ES384", "ES512", "PS256", "PS384", "PS512", "RS256", "RS384", "RS512", "EdDSA"}),
    frozenset({"jwt", ""}),
)

_LONGEST_SECONDS: Final = 60 * 60


class ClientAssertion(JWTBearerClientAssertion):  # type: ignore[misc]  # Authlib has no types
    """The assertion of one token request.

    Args:
        request: gets the ``jti``, for the caller to see that it is used once.
        audiences: by which the gateway may be meant.
    """

    CLIENT_AUTH_METHOD = PRIVATE_KEY

    def __init__(self, request: Request, audiences: list[str]) -> None:
        super().__init__()
        self._request = request
        self._audiences = audiences

    def get_audiences(self) -> list[str]:
        """By which names this server may be meant."""
        own = self._request.client.token_endpoint
        return [*self._audiences, *([] if own is None else [own])]

    def resolve_client_public_key(self, client: Client) -> KeySet | None:
        """The keys that were fetched for it."""
        return self._request.keys

    def process_assertion_claims(self, assertion: str, resolve_key: KeySet | None) -> Mapping[str, Any]:
        """Verify the signature with the code for ID tokens, and judge the claims with Authlib's."""
        claims = _verified(assertion, resolve_key)
        self.verify_claims(dict(claims))
        return claims

    def validate_jti(self, claims: Mapping[str, Any], jti: object) -> bool:
        """Leave it to the caller to see that it is used once."""
        expires = claims["exp"]
        if not isinstance(jti, str) or not 0 < len(jti) <= MAX_VALUE or not is_storable(jti):
            raise InvalidClientError(description="jti has to be a text.")
        if type(expires) not in (int, float) or expires > time.time() + _LONGEST_SECONDS:
            raise InvalidClientError(description="exp has to be within an hour.")
        self._request.jti = jti, float(expires)
        return True


def _verified(assertion: str, keys: KeySet | None) -> Mapping[str, Any]:
    if keys is None:
        raise InvalidClientError(description="The keys of the client are not available.")
    try:
        signed = SignedToken.parse(assertion.encode("ascii"))
        signed.require(ASSERTION_RULES)
        return signed.verify(keys)
    except (JoseError, UnicodeError) as error:
        reason = error.reason.value if isinstance(error, JoseError) else "not ASCII"
        raise InvalidClientError(description=f"The assertion is refused: {reason}.") from None


def assertion_names(form: Mapping[str, str]) -> tuple[str, str | None] | None:
    """Which client a token request with an assertion is of, and with which key, as it says itself."""
    assertion = form.get("client_assertion", "")
    try:
        signed = SignedToken.parse(assertion.encode("ascii"))
    except (JoseError, UnicodeError):
        return None
    subject = signed.unverified_claims.get("sub")
    return (subject, signed.kid) if isinstance(subject, str) else None
