"""State that ``LoginPolicy`` shares with ``OidcMapping``, and the counting of login outcomes."""

import logging
from collections.abc import Callable, MutableMapping

import attrs

from synapse_tim.adapter import metrics
from synapse_tim.adapter.answers import count_allowed, count_denied
from synapse_tim.federation.list import FederationList
from synapse_tim.login.denials import ID_TOKEN
from synapse_tim.login.rules.identity_provider import ThisServer
from synapse_tim.login.rules.refusals import TokenRefusedError
from synapse_tim.login.token_login import UsedTokens

logger = logging.getLogger(__name__)


@attrs.frozen(eq=False)
class LoginContext:
    """The rules of single sign-on at this homeserver.

    Attributes:
        known_list: the last verified federation list, or ``None`` if there is none.
        permits_single_sign_on: whether single sign-on is a way to log in here.
        marks: of accounts that are being made, by provider and localpart.
    """

    homeserver: ThisServer
    known_list: Callable[[], FederationList | None]
    permits_single_sign_on: bool
    used: UsedTokens
    marks: MutableMapping[tuple[str, str], str]


def count_accepted() -> None:
    """Count a token that leads to an account."""
    metrics.LOGIN_TOKENS.labels("accepted").inc()
    count_allowed(ID_TOKEN)


def count_refused(error: TokenRefusedError) -> None:
    """Count and log a refusal by its reason."""
    metrics.LOGIN_TOKENS.labels(error.reason.value).inc()
    count_denied(ID_TOKEN)
    logger.info("ID token refused: %s", error.reason.value)
    logger.debug("ID token refused: %s", error)
