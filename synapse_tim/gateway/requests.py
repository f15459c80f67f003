"""What relying parties ask for, and what a code stands for, in the form in which Authlib wants to see it."""

from collections.abc import Mapping
from typing import Any, Final

import attrs
from authlib.oauth2.rfc6749 import AuthorizationCodeMixin, OAuth2Request
from authlib.oauth2.rfc6749.requests import BasicOAuth2Payload

from synapse_tim.jose.jwk import KeySet

#: Upper bound of a value that is stored, in characters.
MAX_VALUE: Final = 2048

_ANY_URI: Final = "https://gateway.invalid/"  # Authlib looks at nothing but the scheme


class Request(OAuth2Request):  # type: ignore[misc]  # Authlib has no types
    """A request of a relying party, or of a browser that it has sent.

    Args:
        parameters: of the query or the form; each once.
        headers: ``Authorization``, if any.
        keys: of the relying party, if it shows an assertion.
        grant: what the code stands for, once it was taken.
    """

    def __init__(
        self,
        method: str,
        parameters: Mapping[str, str],
        headers: Mapping[str, str] | None = None,
        keys: KeySet | None = None,
    ) -> None:
        super().__init__(method, _ANY_URI, headers=dict(headers or {}))
        self.payload = BasicOAuth2Payload(dict(parameters))
        self.keys = keys
        self.grant: Grant | None = None
        self.jti: tuple[str, float] | None = None  #: of the assertion, and until when it holds

    @property
    def form(self) -> Mapping[str, str]:
        """The form of the token request."""
        parameters: Mapping[str, str] = self.payload.data
        return parameters

    @property
    def args(self) -> Mapping[str, str]:
        """The query."""
        return self.form


@attrs.frozen
class Asked:
    """What a relying party asked for, in order."""

    client_id: str
    redirect_uri: str
    scope: str
    nonce: str = attrs.field(repr=False)
    challenge: str
    state: str | None = attrs.field(repr=False)
    prompts: tuple[str, ...]
    max_age: int | None  #: in seconds


@attrs.frozen
class Grant(AuthorizationCodeMixin):  # type: ignore[misc]  # Authlib has no types
    """What a code stands for."""

    client_id: str
    redirect_uri: str
    scope: str
    nonce: str = attrs.field(repr=False)
    code_challenge: str
    claims: dict[str, Any] = attrs.field(repr=False)  #: about the person
    code_challenge_method = "S256"

    # What Authlib asks

    def get_redirect_uri(self) -> str:
        """Where the browser went."""
        return self.redirect_uri

    def get_scope(self) -> str:
        """What was asked for."""
        return self.scope

    def get_nonce(self) -> str:
        """What has to be in the ID token."""
        return self.nonce

    def get_auth_time(self) -> None:
        """None: it is among the claims if the provider said it."""

    def get_acr(self) -> None:
        """None: the same."""

    def get_amr(self) -> None:
        """None: the same."""
