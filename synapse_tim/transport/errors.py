"""Reasons for which an HTTP exchange brings no usable answer."""

import enum

from synapse_tim.core.errors import ReasonError


class TransportReason(enum.StrEnum):
    """Why there is no usable answer."""

    UNREACHABLE = "unreachable"
    DEADLINE = "deadline"
    REDIRECT = "redirect"
    COMPRESSED = "compressed"
    TOO_LARGE = "too_large"
    HTTP_STATUS = "http_status"


class TransportError(ReasonError[TransportReason]):
    """An exchange failed, or its answer may not be used."""
