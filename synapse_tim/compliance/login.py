"""Logging in, sessions and accounts (requirements §4.1, §4.2)."""

from __future__ import annotations

from typing import Final

from synapse_tim.compliance.requirement import ALWAYS, EPA, PRO, Requirement, Status
from synapse_tim.login.denials import LOGIN_METHOD

_LOGIN: Final = "synapse_tim.login.module"
_TOKENS: Final = "synapse_tim.login.token_login"
_SSO: Final = "synapse_tim.login.oidc_mapping"
_OPTIONS: Final = "synapse_tim.adapter.start_up_options"
_PASSWORDS: Final = (
    "Local passwords are off for everybody but named administrators, so rules for them matter little. "
    "Whoever permits them sets Synapse's `password_config.policy`, which nothing here demands."
)

LOGIN: Final = (
    Requirement(
        "AF_10057-04",
        "Somebody of an organisation logs in",
        Status.ENFORCED,
        products=PRO,
        generations=ALWAYS,
        also=("AF_10057",),
        rules=("synapse_tim.login.rules.methods.LoginRules", "synapse_tim.login.rules.claims.check_claims"),
        where=(_LOGIN, _TOKENS, _SSO),
    ),
    Requirement(
        "AF_10234",
        "An insured person logs in with the insurer's identity provider",
        Status.ENFORCED,
        products=EPA,
        rules=("synapse_tim.login.rules.insured.check_person", "synapse_tim.login.rules.methods.LoginRules"),
        where=(_LOGIN, _TOKENS, _SSO, "synapse_tim.login.start_up_sso", _OPTIONS),
        note="The app, or a broker, talks to the sectoral identity provider (PAR, entity statements).",
    ),
    Requirement(
        "A_20657",
        "The discovery document of the central identity provider is verified down to a TI root",
        Status.ENFORCED,
        products=PRO,
        rules=(
            "synapse_tim.pki.signer_path.check_signer",
            "synapse_tim.login.provider_keys.ProviderKeys",
        ),
        where=(_TOKENS,),
        note="Of gemSpec_IDP_Frontend, not of TI-Messenger.",
    ),
    Requirement(
        "A_22936",
        "Log-in has two factors, one way is OpenID Connect, and the organisation rules over its accounts",
        Status.PARTLY,
        products=PRO,
        generations=ALWAYS,
        more_denials=(LOGIN_METHOD,),
        rules=(
            "synapse_tim.login.rules.claims.check_claims",
            "synapse_tim.login.rules.logout_token.read_logout",
        ),
        where=(_LOGIN, _TOKENS, _SSO, "synapse_tim.login.logout"),
        note=(
            "Two factors are the identity provider's doing: level and means are demanded of the TI's, of "
            "others only if the operator configures them. An account that the organisation removes ends "
            "with a logout token, or when an administrator deactivates it."
        ),
    ),
    Requirement(
        "A_22955",
        "Sessions end by themselves",
        Status.SETTING,
        generations=ALWAYS,
        more_options=(
            "refreshable_access_token_lifetime",
            "refresh_token_lifetime",
            "nonrefreshable_access_token_lifetime",
        ),
        where=(_OPTIONS,),
        note="After six months without contact at most.",
    ),
    Requirement(
        "A_23611",
        "Rules for passwords",
        Status.PARTLY,
        generations=ALWAYS,
        more_denials=(LOGIN_METHOD,),
        rules=("synapse_tim.login.rules.methods.LoginRules",),
        where=(_LOGIN,),
        note=_PASSWORDS,
    ),
    Requirement(
        "A_23612",
        "The password of an account is used for nothing else",
        Status.PARTLY,
        generations=ALWAYS,
        more_denials=(LOGIN_METHOD,),
        rules=("synapse_tim.login.rules.methods.LoginRules",),
        where=(_LOGIN,),
        note=f"Clients see to it. {_PASSWORDS}",
    ),
)
