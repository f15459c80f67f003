"""Holds ``homeserver.yaml`` against what the block ``login`` says: what depends on both."""

from __future__ import annotations

from collections.abc import Iterable

from synapse.module_api.errors import ConfigError

from synapse_tim.adapter.config import SynapseConfig
from synapse_tim.login.config import LoginPolicyConfig
from synapse_tim.login.rules.methods import LoginMethod, LoginRules


def check_login_options(synapse: SynapseConfig, config: LoginPolicyConfig) -> None:
    """Refuse sessions that are too long, and accounts that come with a session (R4.3).

    Args:
        synapse: its configuration.
        config: the checked block.

    Raises:
        ConfigError: naming the option.
    """
    longest = config.login.max_session_lifetime
    lifetime = synapse.option("registration", "session_lifetime")
    if longest is not None and (not isinstance(lifetime, int) or lifetime > longest):
        raise ConfigError(
            "session_lifetime has to be set, and not to be longer than login.max_session_lifetime of "
            "synapse_tim",
            path=("session_lifetime",),
        )
    for option in ("enable_registration", "allow_guest_access"):
        if synapse.option("registration", option):
            raise ConfigError(
                f"set {option}: false, because a session comes with the account (R4.3)", path=(option,)
            )


def login_warnings(synapse: SynapseConfig, rules: LoginRules, *, has_providers: bool) -> Iterable[str]:
    """What keeps people from logging in, in words.

    Args:
        synapse: its configuration.
        rules: which ways to log in there are.
        has_providers: whether there are providers of ID tokens.
    """
    passwords = synapse.option("auth", "password_enabled_for_login")
    if rules.break_glass and not passwords:
        yield "login.break_glass_administrators cannot log in while password_config.enabled is false"
    usable: dict[str, object] = {
        LoginMethod.ID_TOKEN: has_providers,
        LoginMethod.SSO: any(
            synapse.option(*names)
            for names in (
                ("oidc", "oidc_providers"),
                ("saml2", "saml2_enabled"),
                ("cas", "cas_enabled"),
            )
        ),
        LoginMethod.PASSWORD: passwords,
        LoginMethod.JWT: synapse.option("jwt", "jwt_enabled"),
        LoginMethod.APPLICATION_SERVICE: False,  # which is for programs, not for people
    }
    if not any(usable.get(name, True) for name in rules.permitted):
        passwords_too = (
            ", or set password_config.enabled: true" if LoginMethod.PASSWORD in rules.permitted else ""
        )
        yield (
            "Nobody can log in, because no permitted way to do so is configured: add an identity provider to "
            "login.providers of synapse_tim, or to oidc_providers with synapse_tim.OidcMapping"
            f"{passwords_too} (docs/login.md)"
        )
