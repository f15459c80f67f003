"""Makes the statements of a small federation, each of which can be changed."""

import datetime as dt
import functools

from cryptography.hazmat.primitives.asymmetric import ec

from synapse_tim.jose import jwk
from synapse_tim.openid_federation.rules.chain import TrustAnchor
from synapse_tim.testing.merge import overlaid
from synapse_tim.testing.simulator.idp.jws import sign_token

NOW = dt.datetime(2026, 11, 30, 12, tzinfo=dt.UTC)
ANCHOR, IDP = "https://master.example", "https://idp.example"
TYPE = {"typ": "entity-statement+jwt"}


@functools.cache
def key(name, curve=ec.SECP256R1):
    """The private key of a name."""
    return ec.generate_private_key(curve())


def jwks(*names):
    return {"keys": [{**jwk.to_jwk(key(name).public_key()), "kid": name, "use": "sig"} for name in names]}


def at(**offset):
    return int((NOW + dt.timedelta(**offset)).timestamp())


def signed(claims, signer, *, header=None, algorithm="ES256", changes=None):
    """A statement with these claims, changed or not."""
    usual = {"iat": at(minutes=-1), "exp": at(hours=24)}
    members = overlaid({**usual, **claims}, changes or {})
    names = {**TYPE, "kid": signer if isinstance(signer, str) else "anchor", **(header or {})}
    by = key(signer) if isinstance(signer, str) else signer
    return sign_token(members, by, algorithm=algorithm, header=names).encode()


def anchor_configuration(signer="anchor", *, header=None, algorithm="ES256", **changes):
    endpoints = {
        "federation_fetch_endpoint": f"{ANCHOR}/fetch",
        "idp_list_endpoint": f"{ANCHOR}/list",
    }
    claims = {
        "iss": ANCHOR,
        "sub": ANCHOR,
        "jwks": jwks("anchor"),
        "metadata": {"federation_entity": endpoints},
    }
    return signed(claims, signer, header=header, algorithm=algorithm, changes=changes)


def subordinate(signer="anchor", *, header=None, algorithm="ES256", **changes):
    claims = {"iss": ANCHOR, "sub": IDP, "jwks": jwks("idp")}
    return signed(claims, signer, header=header, algorithm=algorithm, changes=changes)


def metadata(**changes):
    return overlaid(
        {
            "issuer": IDP,
            "signed_jwks_uri": f"{IDP}/jws.json",
            "authorization_endpoint": f"{IDP}/auth",
            "token_endpoint": f"{IDP}/token",
            "pushed_authorization_request_endpoint": f"{IDP}/par",
            "scopes_supported": ["openid", "urn:telematik:versicherter"],
            "token_endpoint_auth_methods_supported": ["self_signed_tls_client_auth"],
        },
        changes,
    )


def configuration(signer="idp", *, header=None, algorithm="ES256", **changes):
    claims = {
        "iss": IDP,
        "sub": IDP,
        "jwks": jwks("idp"),
        "authority_hints": [ANCHOR],
        "metadata": {"openid_provider": metadata()},
    }
    return signed(claims, signer, header=header, algorithm=algorithm, changes=changes)


def anchor(*names):
    return TrustAnchor(ANCHOR, jwk.key_set(jwks(*(names or ("anchor",)))))
