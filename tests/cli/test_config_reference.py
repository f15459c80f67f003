"""The reference of the configuration says what the classes of the block do."""

import re
from pathlib import Path

from synapse.config._base import Config

from synapse_tim.cli.config_reference import Key, keys, keys_of
from synapse_tim.core.config_types import Block, DurationOrOff, Pin
from synapse_tim.core.products import Product
from synapse_tim.login.claims_config import OidcMappingConfig
from synapse_tim.mirror.config import MirrorConfig, TlsConfig
from synapse_tim.ti_messenger import TiMessenger
from tests.support.blocks import any_part
from tests.support.helpers import for_each

KEYS = list(keys())


def test_every_key_of_the_mirror_is_in_the_page_for_hosters():
    page = (Path(__file__).parents[2] / "docs/hosters.md").read_text()
    keys = {*MirrorConfig.model_fields} - {"tls"} | {f"tls.{key}" for key in TlsConfig.model_fields}
    assert set(re.findall(r"^\| `([a-z_.]+)` \|", page, re.MULTILINE)) == keys


@for_each(KEYS, lambda key: key.path)
def test_every_key_is_explained(key):
    assert len(key.meaning) > 5, "a text below the field in its class"
    assert key.takes
    assert key.default
    assert key.meaning[0] == key.meaning[0].upper() or key.meaning[0] == "`"


def test_every_field_of_every_block_is_there():
    blocks = set()

    def below(model):
        for each in model.__subclasses__():
            if each.__module__.startswith("synapse_tim."):
                blocks.add(each)
                below(each)

    below(Block)
    names = {key.path.rpartition(".")[2] for key in KEYS}
    for block in blocks - {MirrorConfig, TlsConfig}:  # of a file of its own, see below
        assert set(block.model_fields) <= names, block
    assert len(KEYS) == len({key.path for key in KEYS})
    assert [key.path for key in KEYS][:2] == ["product", "spec_version"]
    assert [key.path for key in KEYS if "." not in key.path][2:6] == [
        "federation_list",
        "directory",
        "contacts",
        "invites",
    ]


def test_defaults_are_those_that_count():
    known = {key.path: key for key in KEYS}
    trust = {"pinned_roots": ["0" * 64], "ocsp": "off"}
    block = {"product": "pro", "spec_version": "1.2"}
    block["federation_list"] = {"url": "https://list.example/", "trust": trust}
    config = any_part(TiMessenger.parse_config(block))
    for part in ("federation_list", "cleanup"):
        for name, value in getattr(config, part):
            default = known[f"{part}.{name}"].default.strip("`")
            if known[f"{part}.{name}"].takes == "duration":
                assert Config.parse_duration(default) == value
            elif isinstance(value, bool):
                assert default == str(value).lower()
    rules = config.cleanup_rules
    assert rules.orphaned_ms == Config.parse_duration("2w")
    assert known["cleanup.orphaned_rooms"].default == "`off` in legacy-1.1, 1.1; `2w` in 1.2, draft-1.15"


class Example(Block):
    plain: str
    """What it is."""
    some: list[Pin] = []  # noqa: RUF012
    """Several of them. Default: nobody's."""
    period: DurationOrOff = 90_000
    """How long."""
    product: Product = Product.EPA
    """Which."""


def test_what_a_key_takes_is_read_from_its_class():
    assert list(keys_of(Example, "x.")) == [
        Key("x.plain", "text", "required", "What it is."),
        Key("x.some", "list: fingerprint or file", "nobody's", "Several of them."),
        Key("x.period", "duration, or `off`", "`90s`", "How long."),
        Key("x.product", "`pro` or `epa`", "`epa`", "Which."),
    ]


def test_the_mapping_for_single_sign_on_has_the_keys_that_are_said():
    paths = [key.path.removeprefix("login.providers[].") for key in KEYS]
    first, last = paths.index("profile"), paths.index("display_name")
    said = {path for path in paths[first : last + 1] if "." not in path}
    assert said <= set(OidcMappingConfig.model_fields)
