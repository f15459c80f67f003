"""Reasons for which a statement of the OpenID federation, or an entity, is not believed."""

import enum

from synapse_tim.core.errors import ReasonError


class FederationReason(enum.StrEnum):
    """What is wrong."""

    #: The entity, or the trust anchor, cannot be reached, or answers with an error.
    UNREACHABLE = "unreachable"
    #: The trust anchor knows no such entity.
    UNKNOWN_ENTITY = "unknown_entity"

    # The signed document
    NOT_A_STATEMENT = "not_a_statement"
    SIGNATURE = "signature"
    MALFORMED = "malformed"
    NO_KEY = "no_key"

    # What it says
    ISSUER = "issuer"
    SUBJECT = "subject"
    EXPIRED = "expired"
    NOT_YET_VALID = "not_yet_valid"
    OUTDATED = "outdated"
    CRITICAL = "critical"
    AUTHORITY_HINTS = "authority_hints"
    CONSTRAINT = "constraint"
    POLICY = "policy"
    METADATA = "metadata"


class FederationError(ReasonError[FederationReason]):
    """A statement, or an entity, is not believed."""
