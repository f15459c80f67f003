"""Reads all that is known of a homeserver from its files: no server, no database; nothing is written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import attrs
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from synapse.module_api.errors import ConfigError

from synapse_tim.check.blocks import Blocks, read_blocks, shift
from synapse_tim.check.facts import (
    Certificate,
    Connection,
    File,
    Listener,
    Module,
    Problem,
    Process,
    is_this_machine,
)
from synapse_tim.check.files import MergedFiles, UnusableConfigError, read_config, read_yaml
from synapse_tim.check.named_files import inline_secrets, look_at, named_files
from synapse_tim.check.redaction import Redactor
from synapse_tim.check.sections import Sections, read_sections, without_log
from synapse_tim.core.config_types import without_files
from synapse_tim.core.products import Product, SpecVersion
from synapse_tim.federation.config import AllowListConfig
from synapse_tim.login.oidc_mapping import OidcMapping
from synapse_tim.login.start_up import check_login_options, login_warnings
from synapse_tim.login.start_up_sso import check_sso, sso_warnings
from synapse_tim.pki.certificates import MALFORMED, public_key_info

_SAFE_MODES: Final = frozenset({"require", "verify-ca", "verify-full"})
#: What has to have been read before log-ins can be judged.
_FOR_LOGIN: Final = frozenset({"registration", "auth", "oidc", "saml2", "cas", "mas", "sso", "server"})


@attrs.frozen(eq=False)
class Homeserver:
    """A homeserver as its files describe it.

    Attributes:
        processes: the main process first.
        server_name: its name.
        product: ``None`` if no block says so.
        spec_version: likewise.
        list_config: the block with the federation list, if it can be used.
        list_key: where that stands.
        custom_cas: files with the CAs that are believed of other servers; empty for the system's.
        redactor: knows the secrets in the files.
        document: of all files of the main process.
        directory: where the last of them is.
    """

    processes: tuple[Process, ...]
    server_name: str
    product: Product | None
    spec_version: SpecVersion | None
    list_config: AllowListConfig | None
    list_key: str
    custom_cas: tuple[str, ...]
    redactor: Redactor
    document: Mapping[str, Any]
    directory: Path


def read_homeserver(paths: Sequence[str], workers: Sequence[str] = ()) -> Homeserver:
    """Read the files of a homeserver.

    Args:
        paths: files and directories of all processes, as they would be given to Synapse with ``-c``.
        workers: the further file of each worker.

    Raises:
        UnusableConfigError: a file cannot be read or is no YAML, or there is nothing in it.
    """
    shared = read_config(paths)
    main = _Reader(shared, "main")
    processes = [main.process()]
    documents = [shared.document]
    for path in workers:
        own = read_config([path])
        merged = MergedFiles({**shared.document, **own.document}, own.directory, own.remarks)
        reader = _Reader(merged, Path(path).stem)
        processes.append(reader.process())
        documents.append(merged.document)
    cas = shared.document.get("federation_custom_ca_list")
    return Homeserver(
        processes=tuple(processes),
        server_name=str(shared.document.get("server_name")),
        product=main.blocks.product,
        spec_version=main.blocks.spec_version,
        list_config=main.blocks.list_config,
        list_key=main.blocks.list_key,
        custom_cas=tuple(map(str, cas)) if isinstance(cas, list) else (),
        redactor=Redactor(documents),
        document=shared.document,
        directory=shared.directory,
    )


class _Reader:
    """Reads what one process is."""

    def __init__(self, files: MergedFiles, name: str) -> None:
        self._document = files.document
        self._remarks = files.remarks
        self._name = name
        self.blocks: Blocks = read_blocks(self._document)
        self._files = named_files(self._document, files.directory, str(self._document.get("server_name")))
        with without_files():
            self._sections: Sections = read_sections(self._document, files.directory, self._files)

    def process(self) -> Process:
        """Everything together."""
        root = self._sections.root
        app = self._document.get("worker_app")
        is_worker = app is not None and app != "synapse.app.homeserver"
        log_key = "worker_log_config" if is_worker else "log_config"
        log, log_file, log_problem = self._log(log_key)
        listeners = tuple(_listeners(root, is_worker))
        certificate, certificate_problem = self._certificate(listeners)
        login_problems, login_remarks = self._log_ins()
        files = [*self._files, *([log_file] if log_file else []), *self.blocks.files]
        problems = [*self.blocks.problems, *self._sections.problems, *login_problems]
        problems += [each for each in (log_problem, certificate_problem) if each is not None]
        return Process(
            name=str(self._document.get("worker_name") or self._name),
            values=self._sections.values,
            settings=self.blocks.settings,
            modules=(*self.blocks.modules, *self._missing()),
            listeners=listeners,
            connections=tuple(self._connections(root)),
            files=tuple(files),
            certificate=certificate,
            log=log,
            log_key=log_key,
            log_unread=log_file is not None and log is None,
            inline_secrets=inline_secrets(self._document),
            problems=tuple(problems),
            remarks=self._remarks,
            login_remarks=tuple(login_remarks),
            dropped=self._sections.dropped,
            runs_background_tasks=bool(getattr(root.worker, "run_background_tasks", True)),
            background_tasks_on=_text(self._document.get("run_background_tasks_on")),
            is_worker=is_worker,
        )

    def _missing(self) -> Iterator[Module]:
        for key, what in self._sections.missing:
            yield Module(key, what, found=False)

    def _log(self, key: str) -> tuple[Mapping[str, Any] | None, File | None, Problem | None]:
        path = self._document.get(key)
        if not isinstance(path, str):
            return None, None, None
        file = look_at(key, path, secret=False)
        if file.problem is not None:
            return None, file, None
        try:
            found = read_yaml(Path(path))
        except UnusableConfigError as error:
            return None, file, Problem(key, str(error))
        if not isinstance(found, Mapping):
            return None, file, Problem(key, "no log configuration in it")
        return found, file, None

    def _certificate(self, listeners: Sequence[Listener]) -> tuple[Certificate | None, Problem | None]:
        tls = self._sections.root.tls
        path, key_path = (
            _text(getattr(tls, name, None)) for name in ("tls_certificate_file", "tls_private_key_file")
        )
        if path is None or not any(listener.tls for listener in listeners) or not Path(path).is_file():
            return None, None
        try:
            octets = Path(path).read_bytes()
        except OSError:
            return None, None  # it has a line among the files
        try:
            return _described(octets, key_path), None
        except MALFORMED:
            return None, Problem("tls_certificate_path", f"{path} holds no certificate in PEM")

    def _connections(self, root: Any) -> Iterator[Connection]:
        for database in getattr(root.database, "databases", ()):
            arguments = database.config.get("args") or {}
            if database.config.get("name") == "psycopg2":
                yield _to_postgresql(arguments)
        redis = self._document.get("redis")
        if isinstance(redis, Mapping) and redis.get("enabled"):
            host = "" if redis.get("path") else str(redis.get("host", "localhost"))
            yield Connection("redis.use_tls", host, bool(redis.get("use_tls")))
        email = self._document.get("email")
        if isinstance(email, Mapping):
            safe = bool(email.get("require_transport_security") or email.get("force_tls"))
            host = str(email.get("smtp_host", "localhost"))
            yield Connection("email.require_transport_security", host, safe)
        for name, place in getattr(root.worker, "instance_map", {}).items():
            host = str(getattr(place, "host", ""))
            # Synapse itself calls the main process by another name than the file.
            name = "main" if name == "master" else name
            yield Connection(f"instance_map.{name}.tls", host, bool(getattr(place, "tls", False)))

    def _log_ins(self) -> tuple[list[Problem], list[Problem]]:
        """What of the ways to log in depends on both Synapse's settings and ours."""
        config, key, synapse = self.blocks.login, self.blocks.login_key, self._sections.synapse
        if config is None or self._sections.failed & _FOR_LOGIN:
            return [], []
        problems: list[Problem] = []
        remarks: list[Problem] = []
        sso_providers = None
        delegated = synapse.delegates_authentication
        try:
            with without_log():
                sso_providers = check_sso(synapse, config)
        except ConfigError as error:
            problems += _at(error, key)
        remarks += [Problem("oidc_providers", text) for text in sso_warnings(synapse)]
        if any(provider.mapping is OidcMapping for provider in synapse.oidc_providers()) and not (
            synapse.option("sso", "sso_update_profile_information")
        ):
            text = "set it to true, so that display names follow the identity provider (R4.4)"
            remarks.append(Problem("sso.update_profile_information", text))
        try:
            rules = config.login_rules(str(self._document.get("server_name")), sso_providers)
            if not delegated:
                has_providers = bool(config.login.providers)
                warnings = login_warnings(synapse, rules, has_providers=has_providers)
                remarks += [Problem(f"{key}.login", text) for text in warnings]
                check_login_options(synapse, config)
        except ConfigError as error:
            # Open registration has lines of its own.
            found = _at(error, key)
            problems += [each for each in found if each.key == "session_lifetime" or "[" in each.key]
        return problems, remarks


def _at(error: ConfigError, key: str) -> list[Problem]:
    """An error of Synapse's keys, or of ours."""
    if error.msg.startswith("modules["):
        return list(shift(error.msg, key))
    path = ".".join(map(str, error.path or ()))
    return [Problem(path, " ".join(error.msg.split()))]


def _listeners(root: Any, is_worker: bool) -> Iterator[Listener]:
    name = "worker_listeners" if is_worker else "listeners"
    found = getattr(root.worker if is_worker else root.server, name, ())
    for position, listener in enumerate(found):
        options = listener.http_options
        resources = options.resources if options is not None else ()
        yield Listener(
            key=f"{name}[{position}]",
            kind=listener.type,
            addresses=tuple(map(str, getattr(listener, "bind_addresses", ()))),
            tls=bool(listener.is_tls()),
            x_forwarded=bool(options is not None and options.x_forwarded),
            resources=frozenset(each for resource in resources for each in resource.names),
        )


def _to_postgresql(arguments: Mapping[str, Any]) -> Connection:
    """The connection that libpq makes: ``hostaddr`` counts more than ``host``, and both more than ``dsn``."""
    said = {**_of_dsn(arguments.get("dsn")), **{key: each for key, each in arguments.items() if each}}
    host = str(said.get("hostaddr") or said.get("host") or "")
    if not host and "service" in said:
        host = f"service {said['service']}"  # what that is stands in a file that need not be here
    # Several may be named, to be tried one after the other.
    elsewhere = [each for each in host.split(",") if not is_this_machine(each)]
    return Connection(
        "database.args.sslmode", ", ".join(elsewhere) if host else "", said.get("sslmode") in _SAFE_MODES
    )


def _of_dsn(dsn: object) -> Mapping[str, Any]:
    if not dsn:
        return {}
    try:
        from psycopg2.extensions import parse_dsn

        found: Mapping[str, Any] = parse_dsn(str(dsn))
    except Exception:
        return {"host": "a dsn that cannot be read here"}
    return found


def _described(octets: bytes, key_path: str | None) -> Certificate:
    certificate = x509.load_pem_x509_certificate(octets)
    key = certificate.public_key()
    if isinstance(key, rsa.RSAPublicKey):
        kind, bits = "RSA", key.key_size
    elif isinstance(key, ec.EllipticCurvePublicKey):
        kind, bits = key.curve.name, key.curve.key_size
    else:
        kind, bits = type(key).__name__.removesuffix("PublicKey"), getattr(key, "key_size", 0)
    algorithm = certificate.signature_hash_algorithm
    return Certificate(
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        key=kind,
        bits=bits,
        hash=algorithm.name if algorithm is not None else "none",
        self_signed=certificate.issuer == certificate.subject,
        fits_key=_fits(certificate, key_path),
    )


def _fits(certificate: x509.Certificate, key_path: str | None) -> bool | None:
    try:
        key = serialization.load_pem_private_key(Path(key_path or "").read_bytes(), None)
    except OSError:
        return None
    except (ValueError, TypeError):
        return False
    public = key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return public == public_key_info(certificate)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
