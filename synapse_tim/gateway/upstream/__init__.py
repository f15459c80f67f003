"""What the gateway asks of an identity provider of any kind: send a browser there, and finish the log-in.

The gateway holds state, nonce and cookie, and judges the ID token that ``finish`` brings with the code of
logins with a token; an upstream only speaks the provider's protocol and believes nothing about a person.
"""

import enum
from collections.abc import Mapping
from typing import Protocol

import attrs

from synapse_tim.core.errors import ReasonError

#: What can be stored between the two halves of a log-in.
Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]


class UpstreamRefusal(enum.StrEnum):
    """Why a log-in at an identity provider could not be begun or finished."""

    #: The provider, or what it takes to trust it, cannot be reached.
    UNAVAILABLE = "upstream_unavailable"
    #: What it answered is not what the protocol says, or not to be believed.
    PROTOCOL = "upstream_protocol"
    #: The person cancelled, or the provider refused them (``access_denied``).
    DENIED = "upstream_denied"
    #: The provider would have to ask the person, which ``prompt=none`` forbids.
    LOGIN_REQUIRED = "upstream_login_required"
    #: The answer names another issuer than the one that was asked (RFC 9207).
    MIX_UP = "upstream_mix_up"


class UpstreamError(ReasonError[UpstreamRefusal]):
    """A log-in could not be begun or finished; the detail has no code, no token, nothing about a person."""


@attrs.frozen
class AuthenticationRequest:
    """What the gateway wants of a provider."""

    redirect_uri: str  #: where the provider sends the browser back: ``{issuer}/callback``
    state: str = attrs.field(repr=False)  #: comes back with the answer; the gateway checks it
    nonce: str = attrs.field(repr=False)  #: comes back in the ID token; the gateway checks it
    prompt: str | None = None  #: ``login``, ``select_account``, or nothing
    max_age: int | None = None  #: how long ago the person may have identified themselves, in seconds


@attrs.frozen
class Begun:
    """A log-in that has begun."""

    redirect_url: str = attrs.field(repr=False)  #: where the browser goes
    #: What ``finish`` needs again, such as the PKCE verifier. Stored in Synapse's database until then.
    private: Mapping[str, Json] = attrs.field(repr=False)


@attrs.frozen
class Authenticated:
    """What a provider says about a person, not yet judged."""

    #: As the provider issued it. Where it is encrypted for one of ``login.decryption_keys`` it stays so.
    id_token: str = attrs.field(repr=False)


class Upstream(Protocol):
    """An identity provider."""

    @property
    def id(self) -> str:
        """That of the provider in ``login.providers``."""
        ...

    @property
    def name(self) -> str:
        """What the page shows."""
        ...

    async def begin(self, request: AuthenticationRequest) -> Begun:
        """Prepare a log-in; ``UpstreamError`` if that is not possible now."""
        ...

    async def finish(self, answer: Mapping[str, str], private: Mapping[str, Json]) -> Authenticated:
        """Fetch the ID token.

        Args:
            answer: the parameters with which the browser came back, each at most once: ``code``, or
                ``error``; ``iss`` if the provider has it.
            private: that of ``begin``.

        Raises:
            UpstreamError: there is none.
        """
        ...
