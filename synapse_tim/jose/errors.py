"""Reasons for which a signed or encrypted JOSE object is rejected (RFC 7515, RFC 7516)."""

import enum

from synapse_tim.core.errors import ReasonError


class JoseReason(enum.StrEnum):
    """What is wrong."""

    # The serialization (RFC 7515 §7.1, RFC 7516 §7.1)
    TOO_LARGE = "too_large"
    NOT_A_COMPACT_JWS = "not_a_compact_jws"
    NOT_A_TOKEN = "not_a_token"  # noqa: S105  # a name
    BASE64 = "base64"

    # The protected header
    HEADER_TOO_LARGE = "header_too_large"
    HEADER_MALFORMED = "header_malformed"
    HEADER_UNSUPPORTED = "header_unsupported"
    ALGORITHM_UNKNOWN = "algorithm_unknown"
    ALGORITHM_NOT_ALLOWED = "algorithm_not_allowed"
    TYPE_NOT_ALLOWED = "type_not_allowed"
    X5C_MALFORMED = "x5c_malformed"

    # Encryption
    ENCRYPTION_NOT_ALLOWED = "encryption_not_allowed"
    NO_DECRYPTION_KEY = "no_decryption_key"
    NOT_DECRYPTED = "not_decrypted"

    # Signature
    ALGORITHM_KEY_MISMATCH = "algorithm_key_mismatch"
    KEY_UNKNOWN = "key_unknown"
    KEY_MISMATCH = "key_mismatch"
    SIGNATURE_MALFORMED = "signature_malformed"
    SIGNATURE_INVALID = "signature_invalid"

    # Claims
    CLAIMS_MALFORMED = "claims_malformed"


class JoseError(ReasonError[JoseReason]):
    """A JWS or JWE is rejected."""
