"""The closed set of reasons for which a token of an identity provider is refused, and texts for browsers.

They are the ``result`` label of ``synapse_tim_login_tokens_total`` and what the log says, so they are an
interface: add, never rename. The client never learns them: it gets Synapse's 403.
"""

import contextlib
import enum
from collections.abc import Iterator, Mapping
from typing import Final

from synapse_tim.core.errors import ReasonError
from synapse_tim.jose.errors import JoseError


class TokenRefusal(enum.StrEnum):
    """Why a token, or the login with it, was refused."""

    # The serialization (RFC 7515 §7.1, RFC 7516 §7.1)
    NOT_A_TOKEN = "not_a_token"  # noqa: S105  # a name
    TOO_LARGE = "too_large"
    BASE64 = "base64"
    HEADER_MALFORMED = "header_malformed"
    HEADER_UNSUPPORTED = "header_unsupported"

    # Encryption
    NOT_ENCRYPTED = "not_encrypted"
    ENCRYPTION_NOT_ALLOWED = "encryption_not_allowed"
    NO_DECRYPTION_KEY = "no_decryption_key"
    NOT_DECRYPTED = "not_decrypted"

    # Signature
    ALGORITHM_NOT_ALLOWED = "algorithm_not_allowed"
    TYPE_NOT_ALLOWED = "type_not_allowed"
    KEYS_UNAVAILABLE = "keys_unavailable"
    KEY_UNKNOWN = "key_unknown"
    KEY_MISMATCH = "key_mismatch"
    SIGNATURE_INVALID = "signature_invalid"

    # Claims
    CLAIMS_MALFORMED = "claims_malformed"
    CLAIM_MISSING = "claim_missing"
    ISSUER_UNKNOWN = "issuer_unknown"
    AUDIENCE = "audience"
    EXPIRED = "expired"
    NOT_YET_VALID = "not_yet_valid"
    TOO_OLD = "too_old"
    NONCE = "nonce"
    REPLAYED = "replayed"
    ACR_TOO_LOW = "acr_too_low"
    AMR_NOT_ALLOWED = "amr_not_allowed"
    CLAIM_NOT_PERMITTED = "claim_not_permitted"
    PROFESSION_NOT_PERMITTED = "profession_not_permitted"
    KVNR_MALFORMED = "kvnr_malformed"
    INSURER_MALFORMED = "insurer_malformed"
    OTHER_INSURER = "other_insurer"
    INSURED_PERSON = "insured_person"
    NOT_INSURED = "not_insured"
    LIST_MISSING = "list_missing"

    # The account
    LOCALPART = "localpart"
    NOT_LINKED = "not_linked"
    LINKED_OTHERWISE = "linked_otherwise"
    REGISTRATION_OFF = "registration_off"
    DEACTIVATED = "deactivated"
    LOCKED = "locked"

    # A mistake of our own; the log has the details
    INTERNAL = "internal"


class TokenRefusedError(ReasonError[TokenRefusal]):
    """A token, or the login with it, is refused; raised by all that judges tokens, claims and accounts.

    The detail never has a value of a claim about a person.
    """


@contextlib.contextmanager
def as_refusals() -> Iterator[None]:
    """Turn errors of JOSE into refusals: each of the reasons of a token has a refusal of its name.

    Raises:
        TokenRefusedError: what is inside has raised one.
    """
    try:
        yield
    except JoseError as error:
        raise TokenRefusedError(TokenRefusal(error.reason.value), error.detail) from None


#: Of a way to log in that is not permitted.
NOT_USED: Final = "This way to log in is not used here."

_AGAIN: Final = "Your login could not be used. Please start again from your messenger."
_STRONGER: Final = (
    "You did not identify yourself strongly enough. Please log in with your card, or the app of your insurer."
)
_ADMINISTRATOR: Final = "Please ask the administrator of your messenger."

_TEXTS: Final[Mapping[TokenRefusal, str]] = {
    TokenRefusal.ACR_TOO_LOW: _STRONGER,
    TokenRefusal.AMR_NOT_ALLOWED: _STRONGER,
    TokenRefusal.PROFESSION_NOT_PERMITTED: f"Your profession may not use this messenger. {_ADMINISTRATOR}",
    TokenRefusal.CLAIM_NOT_PERMITTED: f"You are not among those who may use this messenger. {_ADMINISTRATOR}",
    TokenRefusal.OTHER_INSURER: "You are insured elsewhere. Please use the messenger of your health insurer.",
    TokenRefusal.INSURED_PERSON: "Insured persons use the messenger of their health insurer.",
    TokenRefusal.NOT_INSURED: "This messenger is for insured persons.",
    TokenRefusal.LIST_MISSING: "Registration is not possible at the moment. Please try again later.",
    TokenRefusal.LOCALPART: f"No account can be made for you. {_ADMINISTRATOR}",
    TokenRefusal.NOT_LINKED: f"There is an account of this name that is not linked to you. {_ADMINISTRATOR}",
    TokenRefusal.LINKED_OTHERWISE: f"The account belongs to another person. {_ADMINISTRATOR}",
    TokenRefusal.REGISTRATION_OFF: f"There is no account for you. {_ADMINISTRATOR}",
    TokenRefusal.DEACTIVATED: f"Your account was closed. {_ADMINISTRATOR}",
    TokenRefusal.LOCKED: f"Your account is locked. {_ADMINISTRATOR}",
}


def page_text(reason: TokenRefusal) -> str:
    """The text for a reason."""
    return _TEXTS.get(reason, _AGAIN)
