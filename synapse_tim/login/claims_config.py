"""Configuration of the claims that a provider's tokens must have, and of how they lead to an account.

The same for providers of ``login`` and for ``synapse_tim.OidcMapping``. Files with keys are read when the
block is checked, so that a wrong one stops start-up.
"""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Final

from pydantic import AfterValidator, Field, PrivateAttr, model_validator

from synapse_tim.core.config_types import Block, Duration, ReadablePath, enum_value, read_file
from synapse_tim.login.rules.account_naming import KeyedHash, LocalpartRule, Template
from synapse_tim.login.rules.claims import ACR_ORDER, LONGEST_AGE, ClaimRules, is_oid
from synapse_tim.login.rules.identity_provider import DEFAULTS, AccountRules, Profile

_HASH_KEY_OCTETS: Final = 32


def _template(value: str) -> str:
    Template(value)
    return value


def _oid(value: str) -> str:
    if not is_oid(value):
        raise ValueError("expected an object identifier such as 1.2.276.0.76.4.30")
    return value


def _age(milliseconds: int) -> int:
    if dt.timedelta(milliseconds=milliseconds) > LONGEST_AGE:
        raise ValueError("expected at most an hour (1h)")
    return milliseconds


Name = Annotated[str, Field(min_length=1, max_length=255)]
TemplateText = Annotated[str, AfterValidator(_template)]


class LocalpartConfig(Block):
    """``localpart``: how a localpart is made of claims."""

    template: TemplateText | None = None
    """A text with claims in braces. Lower case always."""
    hash_of: Annotated[list[Name], Field(min_length=1)] | None = None
    """Claims that a keyed hash (HMAC-SHA-256, 64 hex digits) is made of."""
    hash_key_path: ReadablePath | None = None
    """File with the key of that hash, at least 32 bytes. Needed with `hash_of`."""

    _rule: LocalpartRule = PrivateAttr()

    @model_validator(mode="after")
    def _one_way(self) -> LocalpartConfig:
        if (self.template is None) is (self.hash_of is None):
            raise ValueError("expected either template or hash_of")
        if (self.hash_of is None) is not (self.hash_key_path is None):
            raise ValueError("hash_of and hash_key_path belong together")
        if self.template is not None:
            self._rule = Template(self.template)
        else:
            octets = read_file(self.hash_key_path or "")
            key = bytes(_HASH_KEY_OCTETS) if octets is None else octets.strip()
            if len(key) < _HASH_KEY_OCTETS:
                raise ValueError(f"hash_key_path: expected a key of at least {_HASH_KEY_OCTETS} bytes")
            self._rule = KeyedHash(tuple(self.hash_of or ()), key)
        return self

    @property
    def rule(self) -> LocalpartRule:
        """The rule."""
        return self._rule


class ClaimsConfig(Block):
    """What the tokens of a provider have to say, and how they lead to an account."""

    profile: Annotated[Profile, enum_value(Profile)]
    """The defaults of the other keys ([login.md](login.md))."""
    max_age: Annotated[Duration, AfterValidator(_age)] = 5 * 60 * 1000
    """How long ago a token may have been issued; an hour at most."""
    minimum_acr: Name | None = None
    """The lowest level of assurance, one of `acr_order`. Default: `gematik-ehealth-loa-high` with gematik's
    profiles.
    """
    acr_order: Annotated[list[Name], Field(min_length=1)] = Field(default_factory=lambda: list(ACR_ORDER))
    """The levels there are, the lowest first."""
    amr: Annotated[list[Name], Field(min_length=1)] | None = None
    """Means of authentication; all of a token's have to be among them. Default: by profile."""
    profession_claim: Name | None = None
    """Where the profession is. Default: by profile, `professionOID` or `urn:telematik:claims:profession`."""
    professions: Annotated[list[Annotated[str, AfterValidator(_oid)]], Field(min_length=1)] | None = None
    """Profession OIDs that may log in. Required for `gematik_idp`. Default: insured persons for
    `gesundheitsid`.
    """
    required_claims: dict[Name, Annotated[list[Name], Field(min_length=1)]] = Field(default_factory=dict)
    """Claims and the values they may have: with the central IDP, everyone with a card could log in otherwise.
    """
    subject_claim: Name = "sub"
    """The claim that identifies a person, permanently."""
    localpart: LocalpartConfig | None = None
    """How a localpart is made of claims when an account is made. Required for `oidc`. Default: `{idNummer}`
    (`gematik_idp`), `{urn:telematik:claims:id}` (`gesundheitsid`).
    """
    display_name: Annotated[list[TemplateText], Field(min_length=1)] | None = None
    """Templates, the first whose claims are there. Default: by card, `Nachname, Vorname` or the name of the
    organisation.
    """

    @model_validator(mode="after")
    def _complete(self) -> ClaimsConfig:
        if self.profile is Profile.GEMATIK_IDP and self.professions is None:
            raise ValueError(
                "the profile gematik_idp needs professions: otherwise everybody with a card could log in"
            )
        if self.localpart is None and DEFAULTS[self.profile].localpart is None:
            raise ValueError(f"the profile {self.profile.value} needs localpart")
        minimum = self.minimum_acr or DEFAULTS[self.profile].minimum_acr
        if minimum is not None and minimum not in self.acr_order:
            raise ValueError(f"minimum_acr ({minimum}) has to be one of acr_order")
        return self

    def claim_rules(self, issuer: str, audience: str) -> ClaimRules:
        """What tokens have to say."""
        defaults = DEFAULTS[self.profile]
        return ClaimRules(
            issuer=issuer,
            audience=audience,
            max_age=dt.timedelta(milliseconds=self.max_age),
            minimum_acr=self.minimum_acr or defaults.minimum_acr,
            acr_order=tuple(self.acr_order),
            amr=defaults.amr if self.amr is None else frozenset(self.amr),
            profession_claim=self.profession_claim or defaults.profession_claim,
            professions=defaults.professions if self.professions is None else frozenset(self.professions),
            required={name: frozenset(values) for name, values in self.required_claims.items()},
        )

    def account_rules(self) -> AccountRules:
        """How tokens lead to an account."""
        default = DEFAULTS[self.profile].localpart
        rule: LocalpartRule | None = default if self.localpart is None else self.localpart.rule
        assert rule is not None  # noqa: S101  # checked above
        names = None if self.display_name is None else tuple(Template(text) for text in self.display_name)
        return AccountRules(self.subject_claim, rule, names)


class OidcMappingConfig(ClaimsConfig):
    """The block of ``synapse_tim.OidcMapping``."""
