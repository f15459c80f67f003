"""Checks of Synapse's own ways to log in against the block ``login``, for start-up and for the command.

A violation: a provider that may take over existing accounts by name (R4.5); providers whose claims are not
checked as gematik demands, where insured persons log in (AF_10234); a provider
of ID tokens that would share its accounts with a provider of single sign-on that is another one; sessions
that are too long. A warning: who cannot log in, and providers whose claims are not checked.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Final

from synapse_tim import parts
from synapse_tim.adapter.config import OidcProvider, SynapseConfig
from synapse_tim.adapter.config_block import key_path
from synapse_tim.core.checks import Found, Verdict
from synapse_tim.core.products import Product
from synapse_tim.login.claims_config import OidcMappingConfig
from synapse_tim.login.config import LoginPolicyConfig
from synapse_tim.login.gateway_issuer import gateway_issuer
from synapse_tim.login.rules.identity_provider import Profile
from synapse_tim.login.rules.methods import DEFAULTS, LoginMethod

#: Names that Synapse links accounts under by itself.
_RESERVED: Final = ("saml", "cas", "oidc", "oauth-delegated")
_TAKEOVER: Final = "the provider could give existing accounts to other persons by their names (R4.5)"


def judge_single_sign_on(synapse: SynapseConfig, config: LoginPolicyConfig) -> Iterable[Found]:
    """Judge the providers of single sign-on."""
    providers = tuple(synapse.oidc_providers())
    for provider in providers:
        if provider.allow_existing_users:
            what = f"set allow_existing_users: false for {provider.id}: {_TAKEOVER}"
            yield _violation("oidc_providers", what)
    if synapse.gives_away_saml_names:
        what = f'set saml2_config.grandfathered_mxid_source_attribute: "": {_TAKEOVER}'
        yield _violation("saml2_config", what)
    yield from _shared_accounts(config, {provider.id: provider for provider in providers})
    # The class itself: one that is derived from it need not check what it does.
    mapping = parts.load("OidcMapping")
    # The gateway has looked at the claims of those that it sends.
    others_than_ours = [each for each in providers if each.issuer != gateway_issuer(synapse.public_baseurl)]
    unchecked = [provider.id for provider in others_than_ours if provider.mapping is not mapping]
    if config.product is Product.EPA:
        yield from _claims_of_insured(others_than_ours, unchecked)
        return
    # Single sign-on makes an account before the part is asked whether it is permitted.
    permitted = config.login.permitted
    others = unchecked or synapse.option("saml2", "saml2_enabled")
    if others and permitted is not None and LoginMethod.SSO not in permitted:
        what = "single sign-on is configured, so expected sso among them"
        yield _violation(key_path("login", "permitted"), what)
    if unchecked:
        what = (
            f"Nobody checks the claims of {', '.join(unchecked)}: set user_mapping_provider.module to "
            "synapse_tim.OidcMapping (AF_10057)"
        )
        yield Found(what, False, "oidc_providers")


def judge_logins(synapse: SynapseConfig, config: LoginPolicyConfig) -> Iterable[Found]:
    """Judge the lifetime of sessions, and whether users can log in; not if another service does that."""
    longest, lifetime = config.login.max_session_lifetime, synapse.option("registration", "session_lifetime")
    if longest is not None and (not isinstance(lifetime, int) or lifetime > longest):
        what = (
            "session_lifetime has to be set, and not to be longer than login.max_session_lifetime of "
            "synapse_tim"
        )
        yield _violation("session_lifetime", what)
    passwords = synapse.option("auth", "password_enabled_for_login")
    if config.login.break_glass_administrators and not passwords:
        what = "login.break_glass_administrators cannot log in while password_config.enabled is false"
        yield Found(what, False, key_path("login"))
    sso = (("oidc", "oidc_providers"), ("saml2", "saml2_enabled"), ("cas", "cas_enabled"))
    usable: dict[str, object] = {
        LoginMethod.ID_TOKEN: config.login.providers,
        LoginMethod.SSO: any(synapse.option(*names) for names in sso),
        LoginMethod.PASSWORD: passwords,
        LoginMethod.JWT: synapse.option("jwt", "jwt_enabled"),
        LoginMethod.APPLICATION_SERVICE: False,  # which is for programs, not for people
    }
    permitted: Collection[str] | None = config.login.permitted
    if permitted is None:
        permitted = DEFAULTS[config.product]
    if not any(usable.get(name, True) for name in permitted):
        passwords_too = ", or set password_config.enabled: true" if LoginMethod.PASSWORD in permitted else ""
        what = (
            "Nobody can log in, because no permitted way to do so is configured: add an identity provider to "
            "login.providers of synapse_tim, or to oidc_providers with synapse_tim.OidcMapping"
            f"{passwords_too} (docs/login.md)"
        )
        yield Found(what, False, key_path("login"))


def judge_registration(synapse: SynapseConfig) -> Iterable[Found]:
    """Judge accounts that come with a session (R4.3); the command has checks of the same options."""
    for option in ("enable_registration", "allow_guest_access"):
        if synapse.option("registration", option):
            yield _violation(option, f"set {option}: false, because a session comes with the account (R4.3)")


def _violation(key: str, what: str) -> Found:
    return Found(what, False, key, verdict=Verdict.VIOLATION)


def _shared_accounts(config: LoginPolicyConfig, providers: Mapping[str, OidcProvider]) -> Iterable[Found]:
    for position, block in enumerate(config.login.providers):
        key = key_path("login", "providers", position, "id")
        shared = providers.get(block.id)
        if shared is None and block.id in _RESERVED:
            yield _violation(key, "this name is Synapse's own; expected another one")
        elif shared is None and block.id.startswith("oidc-"):
            what = (
                f"login.providers[{position}].id looks like one of oidc_providers, but none has it: the "
                "accounts of an earlier one with this id now belong to this provider"
            )
            yield Found(what, False, key)
        elif shared is not None:
            mapping = shared.mapping_config
            claim = mapping.subject_claim if isinstance(mapping, OidcMappingConfig) else None
            if shared.issuer != block.issuer or claim != block.subject_claim:
                what = (
                    "this is one of oidc_providers: sharing its accounts takes the same issuer and "
                    "synapse_tim.OidcMapping with the same subject_claim"
                )
                yield _violation(key, what)


def _claims_of_insured(providers: Collection[OidcProvider], unchecked: Collection[str]) -> Iterable[Found]:
    if unchecked:
        what = (
            "claims about insured persons have to be checked: set user_mapping_provider.module to "
            f"synapse_tim.OidcMapping (AF_10234) for {', '.join(unchecked)}"
        )
        yield _violation("oidc_providers", what)
    for provider in providers:
        mapping = provider.mapping_config
        if not isinstance(mapping, OidcMappingConfig) or mapping.profile is not Profile.GESUNDHEITSID:
            what = (
                "insured persons need the profile gesundheitsid in user_mapping_provider.config (AF_10234): "
                f"{provider.id}"
            )
            yield _violation("oidc_providers", what)
