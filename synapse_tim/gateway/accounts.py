"""Who somebody is to relying parties: the account that the rules of the token login lead to (R4.4, R4.5).

With Synapse's own single sign-on the account is found, made and named here, with the same code as for ID
tokens, and linked to the relying party before it hears of the person: so nothing depends on what Synapse
would make of the claims. Matrix Authentication Service makes accounts itself: then the name is found here and
kept for the person, and who is deactivated, locked or somebody else is refused.
"""

import datetime as dt
import hmac
import logging
from collections.abc import Mapping
from typing import Any, Final

import attrs
from synapse.module_api import ModuleApi
from synapse.types import get_localpart_from_id

from synapse_tim.gateway.store import GatewayStore, KnownPerson
from synapse_tim.login.rules.claims import CLOCK_SKEW, numeric_date
from synapse_tim.login.rules.refusals import TokenRefusal, TokenRefusedError
from synapse_tim.login.store import ProviderSession, person_key
from synapse_tim.login.token_login import TokenLogin, VerifiedLogin

logger = logging.getLogger(__name__)

_LONGEST_LIST: Final = 20


@attrs.frozen
class Expected:
    """What the gateway has asked a provider for."""

    provider: str  #: id
    nonce: str = attrs.field(repr=False)
    begun_at: dt.datetime
    fresh: bool  #: whether the person has to identify themselves anew
    max_age: int | None  #: how long ago they may have, in seconds

    def check(self, verified: VerifiedLogin) -> None:
        """Refuse a token that is not the answer to that."""
        if verified.provider.id != self.provider:
            raise TokenRefusedError(TokenRefusal.ISSUER_UNKNOWN, "another provider than was asked")
        if verified.use.nonce is None or not hmac.compare_digest(
            verified.use.nonce.encode(), self.nonce.encode()
        ):
            raise TokenRefusedError(TokenRefusal.NONCE)
        if self.max_age is None and "auth_time" not in verified.claims:
            return
        at = numeric_date(verified.claims, "auth_time")
        limits = [self.begun_at] if self.fresh else []
        if self.max_age is not None:
            limits.append(verified.now - dt.timedelta(seconds=self.max_age))
        if any(at < limit - CLOCK_SKEW for limit in limits):
            raise TokenRefusedError(TokenRefusal.TOO_OLD, "auth_time")


@attrs.frozen
class Identified:
    """Somebody whom the rules let in."""

    claims: Mapping[str, Any] = attrs.field(repr=False)  #: for the relying party, but for ``sid``
    session: ProviderSession  #: of the provider


@attrs.frozen(eq=False)
class GatewayAccounts:
    """Judges ID tokens of providers, and says whose account it is."""

    api: ModuleApi
    login: TokenLogin
    store: GatewayStore
    #: Under which name Synapse links the accounts of a client; ``None`` if another service makes accounts.
    linked_as: Mapping[str, str] | None

    async def identify(self, token: object, expected: Expected, client_id: str) -> Identified:
        """Apply the rules of logins to an ID token, and use it up.

        Raises:
            TokenRefusedError: with the reasons of a login with that token.
        """
        verified = await self.login.validate(token)
        expected.check(verified)
        known = await (
            self._made_elsewhere(verified) if self.linked_as is None else self._made_here(verified)
        )
        if self.linked_as is not None:
            await self._link(self.linked_as[client_id], known)
        return Identified(_claims(verified, known), verified.session)

    async def _made_here(self, verified: VerifiedLogin) -> KnownPerson:
        logged_in = await self.login.accept(verified)
        return await self._note(verified, logged_in.user_id, claim=False)

    async def _made_elsewhere(self, verified: VerifiedLogin) -> KnownPerson:
        accounts, provider, person = self.login.accounts, verified.provider, verified.person
        user_id, claim = await accounts.find(provider, person), False
        if user_id is None:
            known = await self.store.person(provider.id, person_key(provider.id, person.subject))
            if known is not None and await self.api.get_userinfo_by_id(known.user_id) is not None:
                user_id = await accounts.usable(known.user_id)
            else:
                name = await accounts.check_new(provider, person, verified.claims)
                user_id, claim = accounts.user_id_of(name), True
        await self.login.context.used.use(verified)
        return await self._note(verified, user_id, claim=claim)

    async def _note(self, verified: VerifiedLogin, user_id: str, *, claim: bool) -> KnownPerson:
        whose = verified.provider.id, person_key(verified.provider.id, verified.person.subject)
        known = await self.store.note_person(*whose, user_id, claim=claim)
        if known is None or known.user_id != user_id:
            raise TokenRefusedError(TokenRefusal.NOT_LINKED)
        return known

    async def _link(self, provider: str, known: KnownPerson) -> None:
        """Have Synapse find the account when its relying party hears of the person."""
        linked = await self.login.accounts.new.linked_to(provider, known.sub)
        if linked is None:
            try:
                await self.api.record_user_external_id(provider, known.sub, known.user_id)
                return
            except Exception:  # at the same time as another process, for instance
                linked = await self.login.accounts.new.linked_to(provider, known.sub)
        if linked != known.user_id:
            raise TokenRefusedError(TokenRefusal.LINKED_OTHERWISE)


def _claims(verified: VerifiedLogin, known: KnownPerson) -> dict[str, Any]:
    """What relying parties learn of a person: their account, and how and by whom they were identified."""
    said = verified.claims
    amr = said.get("amr")
    claims = {
        "sub": known.sub,
        "localpart": get_localpart_from_id(known.user_id),
        "name": verified.person.display_name,
        "acr": _text(said.get("acr")),
        "amr": amr[:_LONGEST_LIST] if isinstance(amr, list) else None,
        "auth_time": int(numeric_date(said, "auth_time").timestamp()) if "auth_time" in said else None,
        "upstream_iss": verified.provider.claims.issuer,
        "profession": _text(said.get(verified.provider.claims.profession_claim)),
    }
    return {name: value for name, value in claims.items() if value is not None}


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
