"""Reads the blocks of this project in ``modules:``, as far as that goes without a homeserver.

Modules of others are looked for and not imported: their code has no business here.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any, Final

import attrs
from synapse.module_api.errors import ConfigError

from synapse_tim import parts
from synapse_tim.adapter.config_block import CONFIG_PATH, BlockError, read_cas
from synapse_tim.adapter.pinned_roots import read_pinned_roots
from synapse_tim.check.facts import Module
from synapse_tim.check.named_files import File, look_at
from synapse_tim.core.checks import Found
from synapse_tim.core.config_types import PartConfig, without_files
from synapse_tim.core.products import Product, SpecVersion
from synapse_tim.directory.assembly import build_directory
from synapse_tim.directory.config import DirectoryConfig, DirectoryPartConfig
from synapse_tim.federation.assembly import read_files
from synapse_tim.federation.config import AllowListConfig
from synapse_tim.gateway.clients import read_client_files
from synapse_tim.gateway.config import IdentityGatewayConfig
from synapse_tim.gateway.signing import SigningKeys
from synapse_tim.gateway.upstream.entity import read_certificates, read_entity_keys
from synapse_tim.login.assembly import read_key_file, read_trust_anchor
from synapse_tim.login.config import LoginPolicyConfig
from synapse_tim.ti_messenger_config import TiMessengerConfig

_OWN: Final = "synapse_tim."
#: Keys of files; whether they hold a secret.
_FILES: Final = {
    "client_secret_path": True,
    "client_certificate": True,
    "decryption_keys": True,
    "signing_keys": True,
    "entity_keys": True,
    "tls_certificates": True,
    "hash_key_path": True,
    "ca_certificates": False,
    "jwks_path": False,
    "pinned_roots": False,
}


@attrs.define(eq=False)
class Blocks:
    """What ``modules:`` says."""

    modules: list[Module] = attrs.field(factory=list)  #: in their order
    files: list[File] = attrs.field(factory=list)
    problems: list[Found] = attrs.field(factory=list)  #: what keeps them from being loaded
    product: Product | None = None  #: of the server, or ``None`` if no block says so
    spec_version: SpecVersion | None = None


def read_blocks(document: Mapping[str, Any]) -> Blocks:
    """Read ``modules:`` and the older places for modules of others."""
    blocks = Blocks()
    entries = document.get("modules") or []
    if not isinstance(entries, list):
        blocks.problems.append(Found("expected a list", False, "modules"))
        entries = []
    for position, entry in enumerate(entries):
        key = f"modules[{position}]"
        name = entry.get("module") if isinstance(entry, Mapping) else None
        if not isinstance(name, str):
            blocks.problems.append(Found("expected the name of a class", False, f"{key}.module"))
        elif name.startswith(_OWN):
            _read_own(blocks, key, name, entry.get("config"))
        else:
            blocks.modules.append(Module(key, name, found=_is_installed(name)))
    for place in ("spam_checker", "third_party_event_rules", "password_providers"):
        found = document.get(place) or []
        for position, entry in enumerate(found if isinstance(found, list) else [found]):
            name = entry.get("module") if isinstance(entry, Mapping) else None
            if isinstance(name, str):
                blocks.modules.append(Module(f"{place}[{position}]", name, found=_is_installed(name)))
    return blocks


def problems_of(error: ConfigError, key: str) -> Iterator[Found]:
    """What a part refuses."""
    if isinstance(error, BlockError):
        for path, what in error.problems:
            yield Found(what, False, path.replace(CONFIG_PATH, key))
    else:
        yield Found(error.msg, False, key)


def _read_own(blocks: Blocks, key: str, name: str, said: object) -> None:
    module_name, _, class_name = name.rpartition(".")
    known = class_name in parts.MODULES and class_name != "OidcMapping"
    if not known or module_name not in ("synapse_tim", parts.MODULES[class_name]):
        blocks.problems.append(Found(f"synapse_tim has no module {name}", False, f"{key}.module"))
        return
    block = said if isinstance(said, Mapping) else {}
    generation = _take_product(blocks, f"{key}.config", block)
    configs: tuple[PartConfig, ...] = ()
    with without_files():
        try:
            parsed = parts.load(class_name).parse_config(block)
            whole = isinstance(parsed, TiMessengerConfig)
            configs = tuple(attrs.asdict(parsed, recurse=False).values()) if whole else (parsed,)
        except ConfigError as error:
            blocks.problems += problems_of(error, f"{key}.config")
    own_parts = tuple(parts.of_generation(generation)) if class_name == parts.WHOLE else (class_name,)
    module = Module(key, name, own_parts, configs=configs)
    for config in configs:
        blocks.files += _files(config.model_dump(mode="json"), f"{key}.config")
    absent = [file.key for file in blocks.files if file.problem is not None]
    for config in configs:
        for named_below, read in _readers(blocks, module, config):
            if not any(each.startswith(f"{key}.config.{name}") for name in named_below for each in absent):
                try:
                    read()
                except ConfigError as error:
                    blocks.problems += problems_of(error, f"{key}.config")
    blocks.modules.append(module)


def _take_product(blocks: Blocks, key: str, block: Mapping[Any, Any]) -> SpecVersion | None:
    """Note what the server is, also of a block that cannot be used; gives the block's generation."""
    product: Product | None = _one_of(Product, block.get("product"))
    spec_version: SpecVersion | None = _one_of(SpecVersion, block.get("spec_version"))
    for name, known, said in (
        ("product", blocks.product, product),
        ("spec_version", blocks.spec_version, spec_version),
    ):
        if known is not None and said is not None and known is not said:
            text = f"{said.value}, although another part has {known.value}"
            blocks.problems.append(Found(text, False, f"{key}.{name}", "a homeserver is exactly one of them"))
    blocks.product = blocks.product or product
    blocks.spec_version = blocks.spec_version or spec_version
    return spec_version


def _one_of(choices: Any, value: object) -> Any:
    return choices(value) if isinstance(value, str) and value in set(choices) else None


def _files(value: Any, key: str, name: str = "") -> Iterator[File]:
    if isinstance(value, Mapping):
        for below, each in value.items():
            yield from _files(each, f"{key}.{below}", below)
    elif isinstance(value, list):
        for position, each in enumerate(value):
            yield from _files(each, f"{key}[{position}]", name)
    elif isinstance(value, str) and name in _FILES and (name != "pinned_roots" or "/" in value):
        yield look_at(key, value, secret=_FILES[name])


def _readers(
    blocks: Blocks, module: Module, config: PartConfig
) -> Iterator[tuple[tuple[str, ...], Callable[[], object]]]:
    """What reads the files of a block, and below which keys they are named."""
    if isinstance(config, AllowListConfig):
        yield ("federation_list",), partial(read_files, config.federation_list)
    if isinstance(config, DirectoryPartConfig) and config.directory is not None:
        yield from _directory_readers(blocks, module, config.directory)
    if isinstance(config, IdentityGatewayConfig) and config.identity_gateway is not None:
        yield (
            ("identity_gateway.signing_keys",),
            partial(SigningKeys.read, config.identity_gateway.signing_keys),
        )
        for position, client in enumerate(config.identity_gateway.clients):
            yield (f"identity_gateway.clients[{position}]",), partial(read_client_files, client, position)
        if config.identity_gateway.entity is not None:
            yield ("identity_gateway.entity",), partial(read_entity_keys, config.identity_gateway.entity)
        for position, upstream in enumerate(config.identity_gateway.upstreams):
            name = f"identity_gateway.upstreams[{position}].sectoral"
            if upstream.sectoral is not None:
                yield (name,), partial(read_certificates, upstream.sectoral, position)
    if isinstance(config, LoginPolicyConfig):
        yield ("login.decryption_keys",), config.login.read_decryption_keys
        if config.login.trust is not None:
            yield ("login.trust",), partial(read_pinned_roots, config.login.trust, "login", "trust")
        for position, provider in enumerate(config.login.providers):
            name = f"login.providers[{position}].keys"
            if provider.keys.jwks_path is not None:
                yield (f"{name}.jwks_path",), partial(read_key_file, Path(provider.keys.jwks_path), position)
            if provider.keys.trust_anchor is not None:
                anchor = provider.keys.trust_anchor
                yield (f"{name}.trust_anchor",), partial(read_trust_anchor, anchor, position)
            if provider.keys.ca_certificates is not None:
                place = ("login", "providers", position, "keys", "ca_certificates")
                yield (f"{name}.ca_certificates",), partial(read_cas, provider.keys.ca_certificates, *place)


def _directory_readers(
    blocks: Blocks, module: Module, block: DirectoryConfig
) -> Iterator[tuple[tuple[str, ...], Callable[[], object]]]:
    """The login may be that of the federation list, in this module or in one before."""
    own = module.block(AllowListConfig)
    earlier = [each for each in blocks.modules if "FederationAllowList" in each.parts]
    listed = own or next(filter(None, (each.block(AllowListConfig) for each in reversed(earlier))), None)
    if earlier and listed is None:
        return  # that block has to be mended first
    federation_list = listed.federation_list if listed is not None else None
    if own is None and block.vzd_credentials is None:
        yield (), partial(block.log_in, federation_list)  # with files of that module, if any
    else:
        named_below = ("directory",) if own is None else ("directory", "federation_list")
        log_in = partial(block.log_in, None if own is None else own.federation_list)
        yield named_below, lambda: build_directory(block, log_in())


def _is_installed(name: str) -> bool:
    """Whether the module that a class is named in is there; looked for without importing anything."""
    module = name.rpartition(".")[0]
    if not module:
        return False
    path = None
    prefix = ""
    for part in module.split("."):
        prefix = f"{prefix}.{part}" if prefix else part
        try:
            spec = PathFinder.find_spec(prefix, path)
        except (ImportError, ValueError, AttributeError):
            return False
        if spec is None:
            return False
        path = list(spec.submodule_search_locations or [])
    return True
