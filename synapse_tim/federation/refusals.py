"""Closed set of reasons for which a federation list is refused.

Every refusal of a list, of the certificates behind it, of an OCSP answer or of an update has exactly
one of these names. They are the ``result`` label of ``synapse_tim_federation_list_updates_total``,
what the log says and what ``synapse-tim federation-list verify`` prints, so they are an interface:
add, never rename.
"""

import contextlib
import enum
from collections.abc import Iterator
from typing import Final

from synapse_tim.core.errors import ReasonError
from synapse_tim.directory.failures import DirectoryError
from synapse_tim.jose.errors import JoseError
from synapse_tim.pki.errors import CertificateError
from synapse_tim.transport.errors import TransportError


class Refusal(enum.StrEnum):
    """Why a list, a certificate or an update was refused."""

    # The compact JWS (RFC 7515 §7.1)
    TOO_LARGE = "too_large"
    NOT_A_COMPACT_JWS = "not_a_compact_jws"
    BASE64 = "base64"
    HEADER_TOO_LARGE = "header_too_large"
    HEADER_MALFORMED = "header_malformed"
    HEADER_UNSUPPORTED = "header_unsupported"
    ALGORITHM_UNKNOWN = "algorithm_unknown"
    ALGORITHM_NOT_ALLOWED = "algorithm_not_allowed"
    ALGORITHM_KEY_MISMATCH = "algorithm_key_mismatch"
    X5C_MALFORMED = "x5c_malformed"
    SIGNATURE_MALFORMED = "signature_malformed"
    SIGNATURE_INVALID = "signature_invalid"

    # The payload (requirement R1.1)
    PAYLOAD_MALFORMED = "payload_malformed"
    PAYLOAD_HASHED = "payload_hashed"
    VERSION_INVALID = "version_invalid"
    DOMAIN_LIST_INVALID = "domain_list_invalid"
    TOO_MANY_DOMAINS = "too_many_domains"
    TIMES_INVALID = "times_invalid"
    LIST_NOT_YET_VALID = "list_not_yet_valid"
    LIST_EXPIRED = "list_expired"

    # The certificate path (requirement R1.4, R1.5)
    CERTIFICATE_MALFORMED = "certificate_malformed"
    CERTIFICATE_VERSION = "certificate_version"
    CERTIFICATE_ALGORITHM = "certificate_algorithm"
    CERTIFICATE_CURVE = "certificate_curve"
    CERTIFICATE_CRITICAL_EXTENSION = "certificate_critical_extension"
    CERTIFICATE_NOT_YET_VALID = "certificate_not_yet_valid"
    CERTIFICATE_EXPIRED = "certificate_expired"
    CERTIFICATE_SIGNATURE = "certificate_signature"
    TEST_CERTIFICATE = "test_certificate"
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

    # The update against what was accepted before
    ROLLBACK = "rollback"
    BELOW_MINIMUM_VERSION = "below_minimum_version"
    EQUIVOCATION = "equivocation"
    CLOCK_WENT_BACK = "clock_went_back"

    # Transport
    UNREACHABLE = "unreachable"
    DEADLINE = "deadline"
    REDIRECT = "redirect"
    COMPRESSED = "compressed"
    HTTP_STATUS = "http_status"
    AUTHENTICATION = "authentication"

    # The process that reads the list, which is bounded in time and memory
    READER_TOO_SLOW = "reader_too_slow"
    READER_OUT_OF_MEMORY = "reader_out_of_memory"
    READER_FAILED = "reader_failed"

    # A mistake of our own; the log has the details
    INTERNAL = "internal"


#: What says nothing about the list: it could not be read here and now.
NOT_READ: Final = frozenset({Refusal.READER_TOO_SLOW, Refusal.READER_OUT_OF_MEMORY, Refusal.READER_FAILED})


class ListRefusedError(ReasonError[Refusal]):
    """A federation list, or something it rests on, is refused; whatever is in force stays."""


@contextlib.contextmanager
def as_refusals() -> Iterator[None]:
    """Turn errors of the layers below into refusals: each of their reasons has a refusal of its name.

    Raises:
        ListRefusedError: what is inside, or what it decorates, has raised an error of transport, of the
            login to the directory, of JOSE or of a certificate.
    """
    try:
        yield
    except (TransportError, DirectoryError, JoseError, CertificateError) as error:
        raise ListRefusedError(Refusal(error.reason.value), error.detail) from None
