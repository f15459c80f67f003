"""Reasons for which a certificate, its path or a statement about its revocation is rejected."""

import enum
from typing import Final

from synapse_tim.core.errors import ReasonError


class CertificateReason(enum.StrEnum):
    """What is wrong."""

    # One certificate
    CERTIFICATE_MALFORMED = "certificate_malformed"
    CERTIFICATE_VERSION = "certificate_version"
    CERTIFICATE_ALGORITHM = "certificate_algorithm"
    CERTIFICATE_CURVE = "certificate_curve"
    CERTIFICATE_CRITICAL_EXTENSION = "certificate_critical_extension"
    CERTIFICATE_NOT_YET_VALID = "certificate_not_yet_valid"
    CERTIFICATE_EXPIRED = "certificate_expired"
    CERTIFICATE_SIGNATURE = "certificate_signature"
    TEST_CERTIFICATE = "test_certificate"

    # The path (requirement R1.4, R1.5)
    NOT_A_CA = "not_a_ca"
    PATH_LENGTH = "path_length"
    CA_KEY_USAGE = "ca_key_usage"
    ISSUER_MISMATCH = "issuer_mismatch"
    ISSUER_NAME = "issuer_name"
    SIGNER_IS_CA = "signer_is_ca"
    SIGNER_KEY_USAGE = "signer_key_usage"
    SIGNER_TYPE = "signer_type"
    SIGNER_ROLE = "signer_role"
    NO_SUB_CA = "no_sub_ca"
    NO_TRUSTED_ROOT = "no_trusted_root"
    ROOTS_MALFORMED = "roots_malformed"

    # Revocation (A_25632, A_25635)
    REVOKED = "revoked"
    OCSP_UNAVAILABLE = "ocsp_unavailable"
    OCSP_MALFORMED = "ocsp_malformed"
    OCSP_REFUSED = "ocsp_refused"
    OCSP_FOREIGN = "ocsp_foreign"
    OCSP_SIGNATURE = "ocsp_signature"
    OCSP_STALE = "ocsp_stale"
    OCSP_NONCE = "ocsp_nonce"
    OCSP_UNKNOWN_CERTIFICATE = "ocsp_unknown_certificate"


#: What else may be the reason, where people would look in the wrong place.
CLOCK_HINT: Final = "the clock of this machine may be wrong"
_OF_THE_CLOCK: Final = (CertificateReason.OCSP_STALE, CertificateReason.CERTIFICATE_NOT_YET_VALID)


class CertificateError(ReasonError[CertificateReason]):
    """A certificate, its path or an OCSP answer is rejected."""

    def __init__(self, reason: CertificateReason, detail: str = "") -> None:
        hint = CLOCK_HINT if reason in _OF_THE_CLOCK else ""
        super().__init__(reason, "; ".join(filter(None, (detail, hint))))
