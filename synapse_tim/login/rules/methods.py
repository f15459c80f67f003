"""Permitted ways to log in (AF_10057, AF_10234): all others are refused, for every user.

Insured persons log in with their identity provider only. At a server for professionals the operator says
which ways there are; local passwords are off but for named administrators, who need them when the identity
provider is down ("break glass"; A_23611, A_23612).
"""

import enum
from collections.abc import Mapping
from typing import Any, Final

import attrs

from synapse_tim.core.denial import Denial
from synapse_tim.core.products import Product
from synapse_tim.login.denials import LOGIN_METHOD

#: The login type of this project.
ID_TOKEN_TYPE: Final = "org.synapse_tim.login.id_token"  # noqa: S105  # a name


class LoginMethod(enum.StrEnum):
    """A way to log in that Synapse or this project knows."""

    ID_TOKEN = "id_token"  # noqa: S105  # a name
    SSO = "sso"
    PASSWORD = "password"  # noqa: S105  # a name
    JWT = "jwt"
    APPLICATION_SERVICE = "application_service"


#: The login types of those ways.
TYPES: Final[Mapping[str, LoginMethod]] = {
    ID_TOKEN_TYPE: LoginMethod.ID_TOKEN,
    # Of single sign-on the first three are how it starts, the last one is how it ends.
    "m.login.sso": LoginMethod.SSO,
    "m.login.cas": LoginMethod.SSO,
    "m.login.token": LoginMethod.SSO,
    "m.login.password": LoginMethod.PASSWORD,
    "org.matrix.login.jwt": LoginMethod.JWT,
    "m.login.application_service": LoginMethod.APPLICATION_SERVICE,
    "uk.half-shot.msc2778.login.application_service": LoginMethod.APPLICATION_SERVICE,
}

#: What is permitted where the operator says nothing.
DEFAULTS: Final[Mapping[Product, frozenset[str]]] = {
    Product.EPA: frozenset({LoginMethod.ID_TOKEN, LoginMethod.SSO}),
    Product.PRO: frozenset({LoginMethod.ID_TOKEN, LoginMethod.SSO, LoginMethod.APPLICATION_SERVICE}),
}
#: What may be permitted to insured persons.
FOR_INSURED: Final = DEFAULTS[Product.EPA]


@attrs.frozen
class LoginRules:
    """The ways to log in at one server."""

    server_name: str
    permitted: frozenset[str]  #: ``LoginMethod`` values, and login types of other modules by their names
    token_types: frozenset[str] = frozenset({ID_TOKEN_TYPE})  #: the login types that take an ID token
    #: The providers of single sign-on that are permitted; ``None`` for all.
    sso_providers: frozenset[str] | None = None
    break_glass: frozenset[str] = frozenset()  #: user ids of administrators who may use a local password

    def method(self, login_type: str) -> str:
        """The way to log in that a login type belongs to; of an unknown one its name."""
        return LoginMethod.ID_TOKEN if login_type in self.token_types else TYPES.get(login_type, login_type)

    def check_request(self, body: Mapping[str, Any]) -> Denial | None:
        """Why a request to log in is refused before anything of it is looked at, or ``None``.

        The answer does not depend on the password.

        Args:
            body: of ``POST /login``, valid or not.
        """
        login_type = body.get("type")
        if not isinstance(login_type, str):
            return None  # Synapse says what is wrong
        method = self.method(login_type)
        if method in self.permitted:
            return None
        if method == LoginMethod.PASSWORD and self._claimed_user(body) in self.break_glass:
            return None
        return LOGIN_METHOD

    def check(
        self, method: str, user_id: str, *, administrator: bool, sso_provider: str | None
    ) -> Denial | None:
        """Why a user who has proved to be who they are does not get in, or ``None``.

        Args:
            method: as ``method`` gave it.
            administrator: whether they are a server administrator.
            sso_provider: that vouched for them, if it was single sign-on.
        """
        if method in self.permitted:
            if method != LoginMethod.SSO:
                return None
            vouched = sso_provider is not None  # a login token that is not of single sign-on has none
            known = self.sso_providers is None or sso_provider in self.sso_providers
            return None if vouched and known else LOGIN_METHOD
        if method == LoginMethod.PASSWORD and user_id in self.break_glass and administrator:
            return None
        return LOGIN_METHOD

    def shows(self, login_type: object) -> bool:
        """Whether ``GET /login`` offers a login type."""
        if not isinstance(login_type, str):
            return False
        method = self.method(login_type)
        return method in self.permitted or (method == LoginMethod.PASSWORD and bool(self.break_glass))

    def _claimed_user(self, body: Mapping[str, Any]) -> str | None:
        """The user Synapse would log in: the old members of a request go before ``identifier``."""
        identifier = body.get("identifier")
        if body.get("user"):
            identifier = {"type": "m.id.user", "user": body["user"]}
        if body.get("medium") and body.get("address"):
            return None
        if not isinstance(identifier, Mapping) or identifier.get("type") != "m.id.user":
            return None
        user = identifier.get("user")
        if not isinstance(user, str):
            return None
        # Synapse takes both forms, in any case.
        return (user if user.startswith("@") else f"@{user}:{self.server_name}").lower()
