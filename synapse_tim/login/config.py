"""The block ``login``: identity providers and ways to log in."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final, Self

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from pydantic import Field, PrivateAttr, ValidationInfo, field_validator, model_validator

from synapse_tim.adapter.config_block import wrong
from synapse_tim.core.config_types import Block, Duration, PartConfig, ReadablePath, WrongValueError
from synapse_tim.core.institution_code import is_code
from synapse_tim.core.products import Product
from synapse_tim.jose.jwe import DecryptionKey
from synapse_tim.jose.jwk import JwkError
from synapse_tim.jose.signed_token import ALGORITHMS, SignatureRules
from synapse_tim.login.claims_config import ClaimsConfig, Name
from synapse_tim.login.rules.identity_provider import DEFAULTS, IdentityProvider, Profile
from synapse_tim.login.rules.methods import DEFAULTS as PERMITTED
from synapse_tim.login.rules.methods import FOR_INSURED, ID_TOKEN_TYPE, TYPES, LoginMethod, LoginRules
from synapse_tim.pki.config import TrustConfig
from synapse_tim.transport.urls import SecureBaseUrl, TrustedUrl

_DAY_MS: Final = 24 * 60 * 60 * 1000
_CURVES: Final = (ec.SECP256R1, ec.BrainpoolP256R1)


class TrustAnchorConfig(Block):
    """``trust_anchor``: whom the OpenID federation rests on: gematik's federation master."""

    entity_id: SecureBaseUrl
    """Its identifier."""
    jwks_path: ReadablePath
    """A file with its keys, as a JWK set; the federation's documents name them."""


class KeysConfig(Block):
    """``keys``: where the keys of a provider are."""

    discovery_url: TrustedUrl | None = None
    """One of this, `jwks_url`, `jwks_path` and `trust_anchor`. A discovery document. That of `gematik_idp` is
    signed, and believed only if the signature leads to the roots in `trust` and the signer is the IDP-Dienst
    (A_20657).
    """
    jwks_url: TrustedUrl | None = None
    """A JWK set."""
    jwks_path: ReadablePath | None = None
    """A file with a JWK set."""
    trust_anchor: TrustAnchorConfig | None = None
    """The provider is a member of the OpenID federation (GesundheitsID): its keys, and where it is, come from
    its statement, which is believed as long as this trust anchor vouches for it; `issuer` is its identifier.
    """
    ca_certificates: ReadablePath | None = None
    """The CAs that vouch for the provider's server, and that of the trust anchor. Default: the system's."""
    refresh_interval: Duration = 60 * 60 * 1000
    """Keys are fetched again after that, and when a token names one that is unknown or its signature does not
    verify. While the provider is down the last ones stay; keys that it withdraws do not, nor do those of a
    certificate that was revoked.
    """
    max_age: Duration = 7 * 24 * 60 * 60 * 1000
    """After that, keys that cannot be fetched again are not used any more."""
    pause: Duration = 10 * 1000
    """Between two attempts to fetch them, in each process."""

    @model_validator(mode="after")
    def _one_source(self) -> KeysConfig:
        sources = [self.discovery_url, self.jwks_url, self.jwks_path, self.trust_anchor]
        if sum(source is not None for source in sources) != 1:
            raise ValueError("expected one of discovery_url, jwks_url, jwks_path and trust_anchor")
        if not self.pause <= self.refresh_interval <= self.max_age:
            raise ValueError("expected pause <= refresh_interval <= max_age")
        if self.trust_anchor is not None and self.refresh_interval > _DAY_MS:
            raise ValueError("expected a refresh_interval of at most 24h: statements hold no longer")
        return self


class ProviderConfig(ClaimsConfig):
    """One of ``providers``."""

    id: Name
    """Under which accounts are linked to it: `auth_provider` of Synapse's external ids. Synapse's own
    providers have `oidc-` and their `idp_id` there: with that as `id`, both lead to the same accounts, so
    do this only if both have the same subjects.
    """
    issuer: Name
    """What `iss` has to be."""
    audience: Name
    """Our client id, which has to be in `aud`; with several audiences, or if it is there, `azp` has to be
    ours as well.
    """
    keys: KeysConfig
    """Where its keys are."""
    signature_algorithms: Annotated[list[str], Field(min_length=1)] | None = None
    """Never a symmetric one. Default: by profile, `BP256R1` (`gematik_idp`), `ES256` (`gesundheitsid`),
    `RS256`, `PS256`, `ES256` (`oidc`).
    """
    types: Annotated[list[str], Field(min_length=1)] | None = None
    """Values that `typ` may have. Default: `JWT`; for `oidc` also none (`""`)."""
    encrypted: bool | None = None
    """Whether tokens that are merely signed are refused. `ECDH-ES` and `A256GCM` only. Default: `true` for
    `gesundheitsid`.
    """
    registration: bool = False
    """Whether the first login makes an account."""
    nonce_required: bool = False
    """Whether the token's `nonce` has to be one that this server handed out."""

    @field_validator("signature_algorithms")
    @classmethod
    def _known(cls, algorithms: list[str] | None) -> list[str] | None:
        unknown = [name for name in algorithms or [] if name not in ALGORITHMS]
        if unknown:
            raise ValueError(f"expected one of {', '.join(ALGORITHMS)}, found {unknown[0]!r:.40}")
        return algorithms

    @property
    def has_to_be_encrypted(self) -> bool:
        """Whether tokens that are merely signed are refused."""
        return DEFAULTS[self.profile].encrypted if self.encrypted is None else self.encrypted

    def provider(self) -> IdentityProvider:
        """The provider."""
        defaults = DEFAULTS[self.profile]
        types = (
            defaults.types
            if self.types is None
            else frozenset(each.lower().removeprefix("application/") for each in self.types)
        )
        return IdentityProvider(
            id=self.id,
            signature=SignatureRules(frozenset(self.signature_algorithms or defaults.algorithms), types),
            claims=self.claim_rules(self.issuer, self.audience),
            accounts=self.account_rules(),
            encrypted=self.has_to_be_encrypted,
            registration=self.registration,
            nonce_required=self.nonce_required,
        )


class LoginConfig(Block):
    """``login``: identity providers, and which ways to log in there are."""

    permitted: list[Name] | None = None
    """Which ways to log in there are: `id_token`, `sso`, `application_service`, `password`, `jwt`, and login
    types of other modules by their names. Default: `id_token`, `sso`, and for `pro` `application_service`.
    """
    break_glass_administrators: list[Name] = Field(default_factory=list)
    """Users, with or without the server's name, who may use a local password as long as they are server
    administrators. Product `pro` only.
    """
    token_types: list[Name] = Field(default_factory=list)
    """Further names of the login type `org.synapse_tim.login.id_token`, for clients of other products."""
    providers: list[ProviderConfig] = Field(default_factory=list)
    """The identity providers ([login.md](login.md))."""
    decryption_keys: list[ReadablePath] = Field(default_factory=list)
    """EC private keys in PEM that tokens are encrypted for, the current one first."""
    further_iks: list[str] = Field(default_factory=list)
    """Institution codes of the insurer that count as long as the federation list names none for this server.
    """
    max_session_lifetime: Duration | None = None
    """`session_lifetime` has to be set then, and not to be longer."""
    trust: TrustConfig | None = None
    """What the signed discovery document of the central IDP has to rest on. Default: that of
    `federation_list`.
    """

    @field_validator("permitted")
    @classmethod
    def _methods(cls, names: list[str] | None) -> list[str] | None:
        for name in names or []:
            if name in TYPES:
                raise ValueError(f"expected {TYPES[name].value} instead of {name}")
            # Login types of other modules have a dot in their names, as the Matrix specification demands.
            if name not in set(LoginMethod) and "." not in name:
                known = ", ".join(LoginMethod)
                raise ValueError(f"expected {known} or a login type, found {name!r:.40}")
        return names

    @field_validator("token_types")
    @classmethod
    def _own_types(cls, names: list[str]) -> list[str]:
        if any(name.startswith("m.") or name in TYPES for name in names):
            raise ValueError("expected login types that Synapse does not define")
        return names

    @field_validator("further_iks")
    @classmethod
    def _codes(cls, codes: list[str]) -> list[str]:
        if not all(is_code(code) for code in codes):
            raise ValueError("expected institution codes of nine digits")
        return codes

    @model_validator(mode="after")
    def _distinct(self) -> LoginConfig:
        for what in ("id", "issuer"):
            values = [getattr(provider, what) for provider in self.providers]
            if len(set(values)) != len(values):
                raise ValueError(f"two providers have the same {what}")
        return self

    def read_decryption_keys(self) -> tuple[DecryptionKey, ...]:
        """The private keys for tokens, the current one first; ``ConfigError`` if a file has none."""
        return tuple(_decryption_key(path, n) for n, path in enumerate(self.decryption_keys))


def _decryption_key(path: str, position: int) -> DecryptionKey:
    expected = "expected an unencrypted EC private key in PEM, on P-256 or brainpoolP256r1"
    try:
        key = serialization.load_pem_private_key(Path(path).read_bytes(), None)
        if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, _CURVES):
            raise ValueError
        return DecryptionKey.of(key)
    except (OSError, ValueError, TypeError, JwkError):
        raise wrong(expected, "login", "decryption_keys", position) from None


class LoginPolicyConfig(PartConfig):
    """The block of ``synapse_tim.LoginPolicy``."""

    login: LoginConfig = Field(default_factory=LoginConfig)
    """Identity providers and ways to log in ([login.md](login.md))."""

    _trust: TrustConfig | None = PrivateAttr(default=None)

    @model_validator(mode="after")
    def _belongs_together(self, known: ValidationInfo) -> Self:
        login = self.login
        others = known.context or {}
        self._trust = login.trust or others.get("trust")
        if self.product is Product.EPA:
            if login.break_glass_administrators:
                raise WrongValueError(
                    "not for product epa: insured persons have their identity provider only (AF_10234)",
                    "login",
                    "break_glass_administrators",
                )
            if not FOR_INSURED.issuperset(login.permitted or ()):
                expected = " and ".join(sorted(FOR_INSURED))
                raise WrongValueError(f"for product epa only {expected} (AF_10234)", "login", "permitted")
        for position, provider in enumerate(login.providers):
            keys = ("login", "providers", position)
            self._check_provider(provider, *keys)
            signed = provider.profile is Profile.GEMATIK_IDP and provider.keys.discovery_url is not None
            # The trust of a list with errors is unknown.
            if signed and self._trust is None and not others.get("list_is_wrong"):
                raise WrongValueError(
                    "its discovery document is signed: add login.trust with the roots of the TI",
                    *keys,
                    "keys",
                    "discovery_url",
                )
        return self

    def _check_provider(self, provider: ProviderConfig, *keys: str | int) -> None:
        if provider.has_to_be_encrypted and not self.login.decryption_keys:
            raise WrongValueError("its tokens are encrypted: add login.decryption_keys", *keys, "encrypted")
        if provider.keys.trust_anchor is not None and not provider.issuer.startswith("https://"):
            raise WrongValueError("expected https: a member of the federation", *keys, "issuer")
        insured = provider.profile is Profile.GESUNDHEITSID
        if insured and self.product is Product.PRO:
            raise WrongValueError("insured persons need product epa", *keys, "profile")
        if not insured and self.product is Product.EPA:
            raise WrongValueError("product epa needs gesundheitsid (AF_10234)", *keys, "profile")

    @property
    def trust_of_providers(self) -> TrustConfig | None:
        """What a signed discovery document has to rest on: the same as the list, unless said otherwise."""
        return self._trust

    def login_rules(self, server_name: str, sso_providers: frozenset[str] | None) -> LoginRules:
        """Which ways to log in there are.

        Args:
            sso_providers: that check claims; others are not permitted. ``None`` if that does not matter.

        Raises:
            ConfigError: a break-glass administrator is of another server.
        """
        login = self.login
        permitted = PERMITTED[self.product] if login.permitted is None else frozenset(login.permitted)
        break_glass = [
            user if user.startswith("@") else f"@{user}:{server_name}"
            for user in login.break_glass_administrators
        ]
        for position, user in enumerate(break_glass):
            if not user.endswith(f":{server_name}") or user.count(":") != server_name.count(":") + 1:
                raise wrong("expected a user of this server", "login", "break_glass_administrators", position)
        return LoginRules(
            server_name=server_name,
            permitted=permitted,
            token_types=frozenset({ID_TOKEN_TYPE, *login.token_types}),
            sso_providers=sso_providers,
            break_glass=frozenset(user.lower() for user in break_glass),
        )
