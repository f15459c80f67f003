"""The settings of MAS that the stand-in knows, out of a ``mas.yaml``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Self

import attrs

_CLAIMS: Final = {
    "subject": {"template": "{{ user.sub }}"},
    "localpart": {"action": "ignore", "template": "{{ user.preferred_username }}", "on_conflict": "fail"},
    "displayname": {"action": "ignore", "template": "{{ user.name }}"},
    "email": {"action": "ignore", "template": "{{ user.email }}"},
}


@attrs.frozen
class Upstream:
    """One of ``upstream_oauth2.providers``.

    Attributes:
        id: a ULID.
        issuer: of its tokens.
        client_id: that of MAS there.
        client_secret: to it.
        auth_method: ``token_endpoint_auth_method``.
        scope: asked for.
        algorithm: ``id_token_signed_response_alg``.
        pkce: ``pkce_method``.
        fetch_userinfo: whether claims also come from the userinfo endpoint.
        on_logout: ``on_backchannel_logout``.
        skip_confirmation: whether nobody is asked before an account is made.
        claims: ``claims_imports``, by attribute.
    """

    id: str
    issuer: str
    client_id: str
    client_secret: str = attrs.field(repr=False)
    auth_method: str = "client_secret_basic"
    scope: str = "openid"
    algorithm: str = "RS256"
    pkce: str = "auto"
    fetch_userinfo: bool = False
    on_logout: str = "do_nothing"
    skip_confirmation: bool = False
    claims: Mapping[str, Mapping[str, str]] = attrs.field(factory=dict)

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
    """A ``mas.yaml``.

    Attributes:
        port: of its first listener.
        public_base: what its addresses start with, without a slash at the end.
        server_name: of the homeserver.
        homeserver: where it is.
        secret: shared with the homeserver.
        upstreams: the providers, by id.
        policy: ``policy.data``.
        device_grant: whether there is the device authorization grant.
        access_ttl: how long access tokens are valid, in seconds.
        compat_ttl: how long those of the compatibility layer are, if they can be refreshed.
    """

    port: int
    public_base: str
    server_name: str
    homeserver: str
    secret: str = attrs.field(repr=False)
    upstreams: Mapping[str, Upstream]
    policy: Mapping[str, Any]
    device_grant: bool
    access_ttl: int
    compat_ttl: int

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
            upstreams={each["id"]: Upstream.of(each) for each in providers if each.get("enabled", True)},
            policy=(document.get("policy") or {}).get("data") or {},
            device_grant=bool((document.get("oauth") or {}).get("device_code_grant_enabled", True)),
            access_ttl=int(experimental.get("access_token_ttl", 300)),
            compat_ttl=int(experimental.get("compat_token_ttl", 300)),
        )


def secret(block: Mapping[str, Any], name: str) -> str:
    """A secret that stands in the file, or in one that is named there."""
    path = block.get(f"{name}_file")
    return str(block.get(name, "")) if path is None else Path(path).read_text("utf-8").strip()
