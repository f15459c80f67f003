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
    """An exchange failed, or its answer may not be used.

    Attributes:
        is_certificate_refused: whether the server's certificate is not trusted, or not valid.
    """

    def __init__(
        self, reason: TransportReason, detail: str = "", *, is_certificate_refused: bool = False
    ) -> None:
        super().__init__(reason, detail)
        self.is_certificate_refused = is_certificate_refused
