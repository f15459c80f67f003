"""Holds Synapse's own single sign-on against the rules of log-ins, at start-up (AF_10234, R4.5).

Refused: giving accounts that exist to whoever a provider gives their names to; providers whose claims nobody
checks, or checks less than gematik demands, where insured persons log in; a provider of ID tokens that would
share its accounts with a provider of single sign-on that is another one.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final

from synapse.module_api.errors import ConfigError

from synapse_tim.adapter.config import OidcProvider, SynapseConfig
from synapse_tim.adapter.config_block import wrong
from synapse_tim.core.products import Product
from synapse_tim.login.claims_config import OidcMappingConfig
from synapse_tim.login.config import LoginPolicyConfig
from synapse_tim.login.oidc_mapping import OidcMapping
from synapse_tim.login.rules.identity_provider import Profile
from synapse_tim.login.rules.methods import LoginMethod

logger = logging.getLogger(__name__)

#: Names that Synapse links accounts under by itself.
_RESERVED: Final = ("saml", "cas", "oidc", "oauth-delegated")


def check_sso(synapse: SynapseConfig, config: LoginPolicyConfig) -> frozenset[str] | None:
    """Check the providers of single sign-on.

    Args:
        synapse: its configuration.
        config: the checked block.

    Returns:
        The providers that are permitted; ``None`` for all.

    Raises:
        ConfigError: one of them may not be used like this.
    """
    providers = {provider.id: provider for provider in synapse.oidc_providers()}
    _check_takeover(synapse, providers.values())
    _check_shared_accounts(config, providers)
    unchecked = _unchecked(providers.values())
    if config.product is Product.EPA:
        _check_claims_of_insured(providers.values(), unchecked)
        return frozenset(providers)
    _check_not_permitted(synapse, config, unchecked)
    for warning in sso_warnings(synapse):
        logger.warning("%s", warning)
    return None


def sso_warnings(synapse: SynapseConfig) -> Iterable[str]:
    """What is permitted to professionals and better otherwise, in words.

    Args:
        synapse: its configuration.
    """
    unchecked = _unchecked(synapse.oidc_providers())
    if unchecked:
        yield (
            f"Nobody checks the claims of {', '.join(unchecked)}: set user_mapping_provider.module to "
            "synapse_tim.OidcMapping (AF_10057)"
        )


def _unchecked(providers: Iterable[OidcProvider]) -> Sequence[str]:
    return [provider.id for provider in providers if provider.mapping is not OidcMapping]


def _check_not_permitted(
    synapse: SynapseConfig, config: LoginPolicyConfig, unchecked: Collection[str]
) -> None:
    """Single sign-on makes an account before anybody is asked whether it is a way to log in here."""
    permitted = config.login.permitted
    others = unchecked or synapse.option("saml2", "saml2_enabled")
    if others and permitted is not None and LoginMethod.SSO not in permitted:
        raise wrong("single sign-on is configured, so expected sso among them", "login", "permitted")


def _check_takeover(synapse: SynapseConfig, providers: Collection[OidcProvider]) -> None:
    because = "accounts that exist would be given to whoever the provider gives their names to (R4.5)"
    for provider in providers:
        if provider.allow_existing_users:
            raise ConfigError(
                f"set allow_existing_users: false for {provider.id}: {because}", path=("oidc_providers",)
            )
    if synapse.gives_away_saml_names:
        raise ConfigError(
            f'set saml2_config.grandfathered_mxid_source_attribute: "": {because}', path=("saml2_config",)
        )


def _check_shared_accounts(config: LoginPolicyConfig, providers: Mapping[str, OidcProvider]) -> None:
    for position, block in enumerate(config.login.providers):
        keys = ("login", "providers", position, "id")
        shared = providers.get(block.id)
        if shared is None:
            if block.id in _RESERVED:
                raise wrong("this name is Synapse's own; expected another one", *keys)
            if block.id.startswith("oidc-"):
                logger.warning(
                    "login.providers[%d].id looks like one of oidc_providers, but none has it: the accounts "
                    "of an earlier one with this id now belong to this provider",
                    position,
                )
            continue
        mapping = shared.mapping_config
        claim = mapping.subject_claim if isinstance(mapping, OidcMappingConfig) else None
        if shared.issuer != block.issuer or claim != block.subject_claim:
            raise wrong(
                "this is one of oidc_providers: sharing its accounts takes the same issuer and "
                "synapse_tim.OidcMapping with the same subject_claim",
                *keys,
            )


def _check_claims_of_insured(providers: Collection[OidcProvider], unchecked: Collection[str]) -> None:
    if unchecked:
        raise ConfigError(
            "claims about insured persons have to be checked: set user_mapping_provider.module to "
            f"synapse_tim.OidcMapping (AF_10234) for {', '.join(unchecked)}",
            path=("oidc_providers",),
        )
    for provider in providers:
        mapping = provider.mapping_config
        if not isinstance(mapping, OidcMappingConfig) or mapping.profile is not Profile.GESUNDHEITSID:
            raise ConfigError(
                "insured persons need the profile gesundheitsid in user_mapping_provider.config (AF_10234): "
                f"{provider.id}",
                path=("oidc_providers",),
            )
