"""An identity provider as the operator configured it, and the person a token identifies.

Three profiles set what a provider that is not described further has to deliver: the central IDP-Dienst for
smart cards of professionals and organisations, the sectoral identity providers for insured persons
(GesundheitsID), and any other OpenID provider.
"""

import datetime as dt
import enum
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

import attrs

from synapse_tim.core.products import Product
from synapse_tim.federation.list import FederationList
from synapse_tim.jose.signed_token import SignatureRules
from synapse_tim.login.rules.account_naming import LocalpartRule, Template, display_name
from synapse_tim.login.rules.claims import (
    ACR_ORDER,
    CLOCK_SKEW,
    INSURED,
    LONGEST_AGE,
    ClaimRules,
    check_claims,
    numeric_date,
    replay_key,
    text,
)
from synapse_tim.login.rules.insured import ID, PROFESSION, Insurer, check_person
from synapse_tim.login.rules.refusals import TokenRefusal, TokenRefusedError


class Profile(enum.StrEnum):
    """What kind of provider it is."""

    GEMATIK_IDP = "gematik_idp"
    GESUNDHEITSID = "gesundheitsid"
    OIDC = "oidc"


@attrs.frozen
class Defaults:
    """What a profile says where the operator says nothing."""

    algorithms: tuple[str, ...]
    types: frozenset[str]  #: values of ``typ``; the empty one for none
    encrypted: bool  #: whether tokens have to be encrypted
    minimum_acr: str | None
    amr: frozenset[str] | None  #: the means of authentication that are allowed
    profession_claim: str
    #: The ones that are permitted; ``None`` where the operator has to say it, or for any.
    professions: frozenset[str] | None
    localpart: Template | None  #: the rule for localparts, or ``None`` where the operator has to say it


_LONGEST_SUBJECT: Final = 255
_METHOD: Final = "urn:telematik:auth:"

#: The profiles.
DEFAULTS: Final[Mapping[Profile, Defaults]] = MappingProxyType(
    {
        Profile.GEMATIK_IDP: Defaults(
            algorithms=("BP256R1",),
            types=frozenset({"jwt"}),
            encrypted=False,
            minimum_acr=ACR_ORDER[-1],
            amr=frozenset({"mfa", "sc", "pin"}),
            profession_claim="professionOID",
            professions=None,
            localpart=Template("{idNummer}"),
        ),
        Profile.GESUNDHEITSID: Defaults(
            algorithms=("ES256",),
            types=frozenset({"jwt"}),
            encrypted=True,
            minimum_acr=ACR_ORDER[-1],
            amr=frozenset(
                _METHOD + method
                for method in ("eGK", "eID", "sso", "mEW", "guest:eGK", "other", "interactive", "consent")
            ),
            profession_claim=PROFESSION,
            professions=frozenset({INSURED}),
            localpart=Template(f"{{{ID}}}"),
        ),
        Profile.OIDC: Defaults(
            algorithms=("RS256", "PS256", "ES256"),
            types=frozenset({"jwt", ""}),
            encrypted=False,
            minimum_acr=None,
            amr=None,
            profession_claim="professionOID",
            professions=None,
            localpart=None,
        ),
    }
)


@attrs.frozen
class AccountRules:
    """How a token leads to an account."""

    subject_claim: str  #: the claim that identifies a person, permanently
    localpart: LocalpartRule
    display_names: tuple[Template, ...] | None = None  #: templates, or ``None`` for the usual names


@attrs.frozen
class ThisServer:
    """What the rules need to know about this server."""

    product: Product
    insurer: Insurer


@attrs.frozen
class Person:
    """The person a token identifies."""

    subject: str = attrs.field(repr=False)  #: id of the person at the provider
    display_name: str | None = attrs.field(repr=False)  #: or ``None`` if the token has no name


@attrs.frozen
class UsedToken:
    """What is to be remembered of a token that was used."""

    replay_key: str  #: unique
    until: dt.datetime  #: when it can no longer be used anyway
    issued_at: dt.datetime
    nonce: str | None = attrs.field(repr=False)  #: of the token, or ``None``
    session_id: str | None = attrs.field(repr=False)  #: of the session at the provider, or ``None``


@attrs.frozen
class IdentityProvider:
    """A provider."""

    id: str  #: under which accounts are linked to it (``auth_provider`` of Synapse's external ids)
    signature: SignatureRules
    claims: ClaimRules  #: what its tokens have to say
    accounts: AccountRules  #: how they lead to an account
    encrypted: bool = False  #: whether its tokens have to be encrypted
    registration: bool = False  #: whether the first login makes an account
    nonce_required: bool = False  #: whether a token has to have a nonce that this server handed out

    def person(
        self,
        claims: Mapping[str, Any],
        homeserver: ThisServer,
        known_list: FederationList | None,
        now: dt.datetime,
    ) -> Person:
        """Judge a token whose signature is verified.

        Args:
            known_list: the last verified federation list, also a stale one: logins go on without the
                directory.
            now: with a time zone.
        """
        check_claims(claims, self.claims, now)
        check_person(claims, homeserver.product, homeserver.insurer, known_list, self.claims.profession_claim)
        return Person(
            subject=_subject(claims, self.accounts.subject_claim),
            display_name=display_name(claims, self.accounts.display_names),
        )

    def use(self, claims: Mapping[str, Any], digest: str) -> UsedToken:
        """What to remember of a token; refused if a claim is malformed."""
        issued_at = numeric_date(claims, "iat")
        return UsedToken(
            replay_key=replay_key(claims, digest),
            # Longer than the provider's own limit: another one may take tokens of the same issuer.
            until=min(numeric_date(claims, "exp"), issued_at + LONGEST_AGE) + 2 * CLOCK_SKEW,
            issued_at=issued_at,
            nonce=None if claims.get("nonce") is None else text(claims, "nonce"),
            session_id=None if claims.get("sid") is None else text(claims, "sid"),
        )


def _subject(claims: Mapping[str, Any], name: str) -> str:
    """The id of a person at the provider: at most 255 ASCII characters (OpenID Connect Core §2)."""
    subject = text(claims, name)
    if len(subject) > _LONGEST_SUBJECT or not subject.isascii():
        raise TokenRefusedError(TokenRefusal.CLAIMS_MALFORMED, name)
    return subject
