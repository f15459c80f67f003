"""The configuration of a Synapse on loopback: quick to start and to retry, and without rate limits."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import attrs
from cryptography import x509
from signedjson.key import generate_signing_key, write_signing_keys

from synapse_tim.core.homeserver_options import OPTIONS
from synapse_tim.core.products import Product
from synapse_tim.testing.merge import deep_merge
from synapse_tim.testing.ports import free_ports
from synapse_tim.testing.simulator.pki.identity import Identity
from synapse_tim.testing.simulator.pki.world import TestPki

_UNLIMITED = {"per_second": 10000, "burst_count": 10000}
_NOT_WITH_MAS = (
    "enable_registration",
    "enable_registration_without_verification",
    "refreshable_access_token_lifetime",
    "refresh_token_lifetime",
    "nonrefreshable_access_token_lifetime",
    "session_lifetime",
)


@attrs.frozen
class HomeserverPorts:
    """The ports of a server, all on 127.0.0.1."""

    federation: int  #: TLS: federation and client API; part of the server name
    client: int  #: plain: the same
    metrics: int  #: Prometheus

    @classmethod
    def free(cls) -> HomeserverPorts:
        """Three free ones."""
        return cls(*free_ports(3))


@attrs.frozen
class HomeserverSecrets:
    """What a server and those who test it both have to know."""

    certificate: Path  #: PEM file of its TLS certificate
    private_key: Path  #: PEM file of the key to it
    ca: Path  #: PEM file of the CA that all servers trust
    signing_key_file: Path  #: its federation signing key
    signing_key: Any = attrs.field(repr=False)  #: the same, of ``signedjson``
    #: ``registration_shared_secret``.
    registration_secret: str = attrs.field(repr=False, factory=lambda: secrets.token_hex(16))


def write_secret_files(directory: Path, tls_ca: Identity, server_name: str) -> HomeserverSecrets:
    """Make and write the keys of a server.

    Args:
        directory: that of the server.
        tls_ca: issues its certificate.
        server_name: the host in it is named in the certificate, besides loopback.
    """
    host = server_name.rpartition(":")[0] or server_name
    names = dict.fromkeys([host.strip("[]"), "localhost", "127.0.0.1", "::1"])
    identity = TestPki(tls_ca.certificate.not_valid_before_utc).tls(
        tls_ca, *names, serial=x509.random_serial_number()
    )
    key = generate_signing_key("a_" + secrets.token_hex(3))
    made = HomeserverSecrets(
        certificate=directory / "tls.crt",
        private_key=directory / "tls.key",
        ca=directory / "tls-ca.pem",
        signing_key_file=directory / "signing.key",
        signing_key=key,
    )
    made.certificate.write_bytes(identity.pem)
    _write_private(made.private_key, identity.key_pem)
    made.ca.write_bytes(tls_ca.pem)
    with made.signing_key_file.open("w") as file:
        write_signing_keys(file, [key])
    return made


def homeserver_config(
    server_name: str, directory: Path, ports: HomeserverPorts, files: HomeserverSecrets
) -> dict[str, Any]:
    """The homeserver.yaml of a single process with SQLite.

    There is no ``federation_domain_whitelist`` in it: without a module any server may federate.
    """
    return {
        "server_name": server_name,
        "public_baseurl": f"http://127.0.0.1:{ports.client}/",
        "pid_file": str(directory / "homeserver.pid"),
        "listeners": [
            http_listener(ports.federation, ["federation", "client", "media"], tls=True),
            http_listener(ports.client, ["client", "federation", "media"]),
            {"port": ports.metrics, "bind_addresses": ["127.0.0.1"], "type": "metrics"},
        ],
        "enable_metrics": True,
        "tls_certificate_path": str(files.certificate),
        "tls_private_key_path": str(files.private_key),
        "federation_custom_ca_list": [str(files.ca)],
        "federation_ip_range_blacklist": [],
        "ip_range_blacklist": [],
        "trusted_key_servers": [],
        "suppress_key_server_warning": True,
        "signing_key_path": str(files.signing_key_file),
        "database": {"name": "sqlite3", "args": {"database": str(directory / "homeserver.db")}},
        "media_store_path": str(directory / "media"),
        "log_config": str(directory / "log.yaml"),
        "registration_shared_secret": files.registration_secret,
        "macaroon_secret_key": secrets.token_hex(16),
        "form_secret": secrets.token_hex(16),
        "enable_registration": True,
        "enable_registration_without_verification": True,
        "bcrypt_rounds": 4,
        "report_stats": False,
        "federation": {
            "client_timeout": "10s",
            "max_short_retries": 0,
            "max_long_retries": 0,
            "destination_min_retry_interval": 100,
            "destination_max_retry_interval": 500,
        },
        **_rate_limits(),
    }


def needed_options(modules: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The options that homeserver.yaml needs for the entries of ``modules:`` of this project."""
    options: dict[str, Any] = {}
    for module in modules:
        if str(module.get("module", "")).startswith("synapse_tim."):
            product = Product(module["config"]["product"])
            for option in OPTIONS:
                if product in option.products:
                    value: Any = json.loads(json.dumps(option.value))
                    for key in reversed(option.key.split(".")):
                        value = {key: value}
                    options = deep_merge(options, value)
    return options


def delegated(config: Mapping[str, Any], endpoint: str, secret: str) -> dict[str, Any]:
    """A configuration with Matrix Authentication Service, which Synapse refuses beside its own logins.

    Args:
        config: of the homeserver.
        endpoint: where the service is.
        secret: shared with it.
    """
    without = dict.fromkeys(_NOT_WITH_MAS)
    service = {"enabled": True, "endpoint": endpoint, "secret": secret}
    return deep_merge(
        config,
        {**without, "password_config": {"enabled": False}, "matrix_authentication_service": service},
    )


def http_listener(port: int, names: list[str], *, tls: bool = False) -> dict[str, Any]:
    """One HTTP listener on 127.0.0.1 for the resources named."""
    listener: dict[str, Any] = {
        "port": port,
        "bind_addresses": ["127.0.0.1"],
        "type": "http",
        "tls": tls,
        "resources": [{"names": names}],
    }
    return listener if tls else {**listener, "x_forwarded": True}


def log_config(path: Path) -> str:
    """The log configuration: INFO to a file.

    Modules are imported before Synapse sets logging up, so with Synapse's default of
    ``disable_existing_loggers`` they would never say anything.
    """
    line = "%(asctime)s %(name)s %(levelname)s %(request)s %(message)s"
    handler = {
        "class": "logging.FileHandler",
        "filename": str(path),
        "formatter": "line",
        "encoding": "utf-8",
    }
    return json.dumps(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {"line": {"format": line}},
            "handlers": {"file": handler},
            "root": {"level": "INFO", "handlers": ["file"]},
        },
        indent=2,
    )


def _rate_limits() -> dict[str, Any]:
    limits: dict[str, Any] = {
        "rc_message": _UNLIMITED,
        "rc_registration": _UNLIMITED,
        "rc_registration_token_validity": _UNLIMITED,
        "rc_admin_redaction": _UNLIMITED,
        "rc_joins_per_room": _UNLIMITED,
        "rc_3pid_validation": _UNLIMITED,
        "rc_third_party_invite": _UNLIMITED,
        "rc_room_creation": _UNLIMITED,
        "rc_reports": _UNLIMITED,
        "rc_presence": {"per_user": _UNLIMITED},
        "rc_delayed_event_mgmt": _UNLIMITED,
        "rc_login": dict.fromkeys(("address", "account", "failed_attempts"), _UNLIMITED),
        "rc_joins": dict.fromkeys(("local", "remote"), _UNLIMITED),
        "rc_invites": dict.fromkeys(("per_room", "per_user", "per_issuer"), _UNLIMITED),
        "rc_federation": {
            "window_size": 1000,
            "sleep_limit": 100000,
            "sleep_delay": 1,
            "reject_limit": 100000,
            "concurrent": 100,
        },
    }
    # A copy for each, so that the YAML has no anchors and one can be changed alone.
    copied: dict[str, Any] = json.loads(json.dumps(limits))
    return copied


def _write_private(path: Path, content: bytes) -> None:
    path.touch(mode=0o600)
    path.write_bytes(content)
