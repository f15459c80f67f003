"""Answers of the identity gateway that are no answers of OAuth 2.0."""

from synapse_tim.core.denial import Denial

_IDS = ("AF_10057", "AF_10234")

#: A request of a browser that no relying party stands behind.
GATEWAY_REQUEST = Denial(
    "gateway_request",
    "login",
    _IDS,
    "This login is over, or was begun somewhere else. Please start again from your messenger.",
    status=400,
    errcode="M_INVALID_PARAM",
)

#: A log-in at an identity provider that could not be finished.
GATEWAY_UPSTREAM = Denial(
    "gateway_upstream",
    "login",
    _IDS,
    "The login at the identity provider could not be completed. Please start again from your messenger.",
    status=503,
)

#: Too many log-ins from one address.
GATEWAY_RATE = Denial(
    "gateway_rate",
    "login",
    _IDS,
    "Too many logins from your address. Please wait a moment and try again.",
    status=429,
    retry_after=10,
)
