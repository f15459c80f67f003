"""What start-up says with Matrix Authentication Service: what holds, and what has to hold there."""

import logging
from typing import Final

logger = logging.getLogger(__name__)

COMMAND: Final = "synapse-tim check homeserver.yaml --mas mas.yaml"
_HOLDS: Final = (
    "the federation list, invitations, rooms, events, the client API, cleanup and information services",
    "nobody registers, there are no guests, and no e-mail address is added by clients (R4.3, R4.10)",
    "administrators are those whose token has the scope urn:synapse:admin:*, not those of the database",
)
_HAS_TO_HOLD: Final = (
    "claims are checked at every login by its only upstream provider, which synapse_tim.IdentityGateway does "
    "(AF_10057, AF_10234)",
    "passwords.enabled: false (AF_10057, AF_10234); no registration with a password (R4.3)",
    "localpart: action require, on_conflict fail (R4.5); displayname_change_allowed: false (R4.15)",
    "inactive_session_expiration of six months at most; on_backchannel_logout: logout_all (R4.12)",
    "no e-mail addresses (R4.10)",
)


def log_what_holds() -> None:
    """Log what is enforced here, and what the service has to be configured for."""
    logger.warning(
        "Matrix Authentication Service logs users in, so synapse_tim.LoginPolicy does not: configure "
        "the identity providers, a policy for their claims and the lifetimes of sessions there "
        "(docs/login.md). All other parts are in force."
    )
    for text in _HOLDS:
        logger.info("With Matrix Authentication Service holds: %s", text)
    for text in _HAS_TO_HOLD:
        logger.warning("In Matrix Authentication Service has to hold: %s", text)
    logger.warning("'%s' holds its configuration against these", COMMAND)
