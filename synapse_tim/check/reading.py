"""Reads the facts about a homeserver from its files: no server, no database; nothing is written."""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from synapse.module_api.errors import ConfigError

from synapse_tim.adapter.config_block import CONFIG_PATH
from synapse_tim.check.blocks import Blocks, problems_of, read_blocks
from synapse_tim.check.facts import Homeserver, Process
from synapse_tim.check.files import MergedFiles, UnusableConfigError, read_config, read_yaml
from synapse_tim.check.named_files import look_at, named_files
from synapse_tim.check.synapse_config import read_synapse, without_log
from synapse_tim.core.checks import Found, NotRead, Verdict
from synapse_tim.core.config_types import without_files
from synapse_tim.login.checks import judge_logins, judge_single_sign_on
from synapse_tim.login.claims_config import OidcMappingConfig
from synapse_tim.login.config import LoginPolicyConfig
from synapse_tim.pki.certificates import MALFORMED, public_key_info


def read_homeserver(paths: Sequence[str], workers: Sequence[str], now: dt.datetime) -> Homeserver:
    """Read the files of a homeserver.

    Args:
        paths: files and directories of all processes, as they would be given to Synapse with ``-c``.
        workers: the further file of each worker.
        now: the current time, with a time zone.

    Raises:
        UnusableConfigError: a file cannot be read or is no YAML, or there is nothing in it.
    """
    shared = read_config(paths)
    main, blocks = _read(shared, "main")
    processes = [main]
    for path in workers:
        own = read_config([path])
        merged = MergedFiles({**shared.document, **own.document}, own.directory, own.remarks)
        processes.append(_read(merged, Path(path).stem)[0])
    return Homeserver(tuple(processes), blocks.product, blocks.spec_version, now)


def _read(files: MergedFiles, name: str) -> tuple[Process, Blocks]:
    document = files.document
    blocks = read_blocks(document)
    named = named_files(document, files.directory)
    with without_files():
        synapse, problems, missing = read_synapse(document, files.directory, named)
    process = Process(
        name=str(document.get("worker_name") or name),
        document=document,
        directory=files.directory,
        synapse=synapse,
        modules=tuple(blocks.modules),
        missing=tuple(missing),
        remarks=files.remarks,
    )
    logins = list(_logins(process))
    problems += [*blocks.problems, *(each for each in logins if each.verdict is Verdict.VIOLATION)]
    problems += [*_read_log(process, named), *_read_certificate(process)]
    process.login_remarks = tuple(each for each in logins if each.verdict is not Verdict.VIOLATION)
    process.files = (*named, *blocks.files)
    process.problems = tuple(problems)
    return process, blocks


def _logins(process: Process) -> Iterator[Found]:
    """What of the ways to log in depends on both Synapse's settings and ours, unless Synapse refuses its."""
    try:
        key, config = process.block(LoginPolicyConfig)
        with without_log():
            found = [*judge_single_sign_on(process.synapse, config), *_profiles(process)]
            if not process.synapse.delegates_authentication:
                found += judge_logins(process.synapse, config)
    except NotRead:
        return
    for each in found:
        yield Found(each.found, False, str(each.key).replace(CONFIG_PATH, key), verdict=each.verdict)
    try:
        config.login_rules(str(process.document.get("server_name")), None)
    except ConfigError as error:
        for each in problems_of(error, key):
            yield Found(each.found, False, each.key, verdict=Verdict.VIOLATION)


def _profiles(process: Process) -> Iterator[Found]:
    if any(
        isinstance(provider.mapping_config, OidcMappingConfig)
        for provider in process.synapse.oidc_providers()
    ) and not (process.option("sso", "sso_update_profile_information")):
        text = "set it to true, so that display names follow the identity provider (R4.4)"
        yield Found(text, False, "sso.update_profile_information")


def _read_log(process: Process, files: list[Any]) -> Iterator[Found]:
    path = process.document.get(process.log_key)
    process.log_unread = path is not None
    if not isinstance(path, str):
        return
    file = look_at(process.log_key, path, secret=False)
    files.append(file)
    if file.problem is not None:
        return
    try:
        found = read_yaml(Path(path))
    except UnusableConfigError as error:
        yield Found(str(error), False, process.log_key)
        return
    if isinstance(found, Mapping):
        process.log, process.log_unread = found, False
    else:
        yield Found("no log configuration in it", False, process.log_key)


def _read_certificate(process: Process) -> Iterator[Found]:
    try:
        path, key_path = (
            process.option("tls", name) for name in ("tls_certificate_file", "tls_private_key_file")
        )
        tls = any(listener.is_tls() for _, listener in process.listeners())
    except NotRead:
        return
    if not tls or not isinstance(path, str) or not Path(path).is_file():
        return
    try:
        certificate = x509.load_pem_x509_certificate(Path(path).read_bytes())
        certificate.public_key()  # raises, as does the next one, if nothing can be made of it
        certificate.signature_hash_algorithm  # noqa: B018
        process.certificate, process.key_fits = certificate, _fits(certificate, key_path)
    except OSError:
        pass  # it has a line among the files
    except MALFORMED:
        yield Found(f"{path} holds no certificate in PEM", False, "tls_certificate_path")


def _fits(certificate: x509.Certificate, key_path: object) -> bool | None:
    try:
        key = serialization.load_pem_private_key(Path(str(key_path)).read_bytes(), None)
    except OSError:
        return None
    except (ValueError, TypeError):
        return False
    public = key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return public == public_key_info(certificate)
