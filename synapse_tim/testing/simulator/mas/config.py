"""The settings of MAS that the stand-in knows, out of a ``mas.yaml``."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Self

import attrs
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

#: What MAS signs with.
SigningKey = EllipticCurvePrivateKey | RSAPrivateKey

_CLAIMS: Final = {
    "subject": {"template": "{{ user.sub }}"},
    "localpart": {"action": "ignore", "template": "{{ user.preferred_username }}", "on_conflict": "fail"},
    "displayname": {"action": "ignore", "template": "{{ user.name }}"},
    "email": {"action": "ignore", "template": "{{ user.email }}"},
}
_ENDPOINTS: Final = ("authorization_endpoint", "token_endpoint", "userinfo_endpoint", "jwks_uri")


@attrs.frozen
class Upstream:
    """One of ``upstream_oauth2.providers``."""

    id: str  #: a ULID
    issuer: str
    client_id: str  #: that of MAS there
    client_secret: str = attrs.field(repr=False)
    auth_method: str = "client_secret_basic"  #: ``token_endpoint_auth_method``
    auth_algorithm: str = "RS256"  #: ``token_endpoint_auth_signing_alg``, of ``private_key_jwt``
    discovers: bool = True  #: ``discovery_mode``; without it, ``endpoints`` are all there is
    endpoints: Mapping[str, str] = attrs.field(factory=dict)  #: those that are configured, by their names
    scope: str = "openid"
    algorithm: str = "RS256"  #: ``id_token_signed_response_alg``
    pkce: str = "auto"  #: ``pkce_method``
    fetch_userinfo: bool = False
    on_logout: str = "do_nothing"  #: ``on_backchannel_logout``
    skip_confirmation: bool = False
    claims: Mapping[str, Mapping[str, str]] = attrs.field(factory=dict)  #: ``claims_imports``, by attribute

    @classmethod
    def of(cls, block: Mapping[str, Any]) -> Self:
        """Read an entry."""
        imports = dict(block.get("claims_imports") or {})
        skip = bool(imports.pop("skip_confirmation", False))
        claims = {name: {**default, **(imports.get(name) or {})} for name, default in _CLAIMS.items()}
        return cls(
            block["id"],
            block["issuer"],
            block["client_id"],
            secret(block, "client_secret"),
            block.get("token_endpoint_auth_method", "client_secret_basic"),
            block.get("token_endpoint_auth_signing_alg", "RS256"),
            block.get("discovery_mode", "oidc") != "disabled",
            {name: block[name] for name in _ENDPOINTS if name in block},
            block.get("scope", "openid"),
            block.get("id_token_signed_response_alg", "RS256"),
            block.get("pkce_method", "auto"),
            bool(block.get("fetch_userinfo", False)),
            block.get("on_backchannel_logout", "do_nothing"),
            skip,
            claims,
        )


@attrs.frozen
class MasConfig:
    """A ``mas.yaml``."""

    port: int  #: of its first listener
    public_base: str  #: without a slash at the end
    server_name: str  #: of the homeserver
    homeserver: str  #: where it is
    secret: str = attrs.field(repr=False)
    keys: tuple[SigningKey, ...] = attrs.field(repr=False)  #: ``secrets.keys``
    upstreams: Mapping[str, Upstream]
    policy: Mapping[str, Any]  #: ``policy.data``
    device_grant: bool
    access_ttl: int  #: of access tokens, in seconds
    compat_ttl: int  #: those of the compatibility layer, if they can be refreshed

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Self:
        """Read a document.

        Raises:
            ValueError: local passwords are on, which is MAS's default and which the stand-in has not.
        """
        if (document.get("passwords") or {}).get("enabled", True):
            raise ValueError("passwords.enabled has to be false: the stand-in has no passwords")
        http, matrix = document["http"], document["matrix"]
        bind = http["listeners"][0]["binds"][0]
        port = bind["port"] if "port" in bind else str(bind["address"]).rpartition(":")[2]
        providers = (document.get("upstream_oauth2") or {}).get("providers") or ()
        experimental = document.get("experimental") or {}
        return cls(
            port=int(port),
            public_base=str(http["public_base"]).rstrip("/"),
            server_name=matrix["homeserver"],
            homeserver=str(matrix["endpoint"]).rstrip("/"),
            secret=secret(matrix, "secret"),
            keys=_keys((document.get("secrets") or {}).get("keys") or ()),
            upstreams={each["id"]: Upstream.of(each) for each in providers if each.get("enabled", True)},
            policy=(document.get("policy") or {}).get("data") or {},
            device_grant=bool((document.get("oauth") or {}).get("device_code_grant_enabled", True)),
            access_ttl=int(experimental.get("access_token_ttl", 300)),
            compat_ttl=int(experimental.get("compat_token_ttl", 300)),
        )


def _keys(blocks: Sequence[Mapping[str, Any]]) -> tuple[SigningKey, ...]:
    """Keys in PEM, each with ``key`` or ``key_file``."""
    found = (load_pem_private_key(secret(block, "key").encode(), None) for block in blocks)
    return tuple(key for key in found if isinstance(key, SigningKey))


def secret(block: Mapping[str, Any], name: str) -> str:
    """A secret that stands in the file, or in one that is named there."""
    path = block.get(f"{name}_file")
    return str(block.get(name, "")) if path is None else Path(path).read_text("utf-8").strip()
