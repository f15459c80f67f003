"""Error pages for refused logins: what to do, and nothing about the person."""

from collections.abc import Mapping
from typing import Final

from synapse_tim.login.rules.refusals import TokenRefusal

#: Of a way to log in that is not permitted.
NOT_USED: Final = "This way to log in is not used here."

_AGAIN: Final = "Your login could not be used. Please start again from your messenger."
_STRONGER: Final = (
    "You did not identify yourself strongly enough. Please log in with your card, or the app of your insurer."
)
_ADMINISTRATOR: Final = "Please ask the administrator of your messenger."

_TEXTS: Final[Mapping[TokenRefusal, str]] = {
    TokenRefusal.ACR_TOO_LOW: _STRONGER,
    TokenRefusal.AMR_NOT_ALLOWED: _STRONGER,
    TokenRefusal.PROFESSION_NOT_PERMITTED: f"Your profession may not use this messenger. {_ADMINISTRATOR}",
    TokenRefusal.CLAIM_NOT_PERMITTED: f"You are not among those who may use this messenger. {_ADMINISTRATOR}",
    TokenRefusal.OTHER_INSURER: "You are insured elsewhere. Please use the messenger of your health insurer.",
    TokenRefusal.INSURED_PERSON: "Insured persons use the messenger of their health insurer.",
    TokenRefusal.NOT_INSURED: "This messenger is for insured persons.",
    TokenRefusal.LIST_MISSING: "Registration is not possible at the moment. Please try again later.",
    TokenRefusal.LOCALPART: f"No account can be made for you. {_ADMINISTRATOR}",
    TokenRefusal.NOT_LINKED: f"There is an account of this name that is not linked to you. {_ADMINISTRATOR}",
    TokenRefusal.LINKED_OTHERWISE: f"The account belongs to another person. {_ADMINISTRATOR}",
    TokenRefusal.REGISTRATION_OFF: f"There is no account for you. {_ADMINISTRATOR}",
    TokenRefusal.DEACTIVATED: f"Your account was closed. {_ADMINISTRATOR}",
    TokenRefusal.LOCKED: f"Your account is locked. {_ADMINISTRATOR}",
}


def page_text(reason: TokenRefusal) -> str:
    """The text for a reason."""
    return _TEXTS.get(reason, _AGAIN)
