"""The blocks of the policies: who says nothing gets what gematik demands, and mistakes name their key."""

import datetime as dt

import attrs
import pytest
from synapse.module_api.errors import ConfigError

from synapse_tim import ClientApiPolicy, EventPolicy, InvitePolicy, RoomPolicy, TiMessenger
from synapse_tim.core.products import Product, SpecVersion
from synapse_tim.events.rules import EventRules
from synapse_tim.rooms.rules import RoomRules
from tests.support.blocks import any_part

DAY = dt.timedelta(hours=24)
FEDERATION_LIST = {
    "url": "https://list.example/federationList.jws",
    "trust": {"pinned_roots": ["ab" * 32], "ocsp": "off"},
}
DIRECTORY = {
    "url": "https://directory.example",
    "vzd_credentials": {
        "token_url": "https://auth.example/token",
        "authenticate_url": "https://directory.example/ti-provider-authenticate",
        "client_id": "clinic",
        "client_secret_path": __file__,
    },
}
#: Every product in every generation that it has.
GENERATIONS = [("pro", each) for each in SpecVersion] + [("epa", "1.1"), ("epa", "1.2")]
PARTS = {
    "permissions": InvitePolicy,
    "rooms": RoomPolicy,
    "events": EventPolicy,
    "client_api": ClientApiPolicy,
}


def parse(cls, product="pro", spec_version="1.2", **blocks):
    if cls is TiMessenger:
        blocks = {"federation_list": FEDERATION_LIST, "directory": DIRECTORY, **blocks}
    return any_part(cls.parse_config({"product": product, "spec_version": spec_version, **blocks}))


def set_key(block, path, value):
    *way, last = path.split(".")
    for part in way:
        block = block.setdefault(part, {})
    block[last] = value


@pytest.mark.parametrize("cls", [InvitePolicy, TiMessenger])
@pytest.mark.parametrize("product", Product)
def test_r2_10_who_stored_nothing_may_be_invited_by_everybody(cls, product):
    assert parse(cls, product.value).default == {"defaultSetting": "allow all"}


def test_r2_10_another_default_stays_as_it_is_written():
    default = {"defaultSetting": "block all", "serverExceptions": {"@LOCAL_SERVER@": {}}, "future": 1}
    assert parse(InvitePolicy, permissions={"default": default}).default == default


@pytest.mark.parametrize("cls", [RoomPolicy, TiMessenger])
@pytest.mark.parametrize(("product", "spec_version"), GENERATIONS)
def test_a_26203_rooms_have_the_versions_9_and_10(cls, product, spec_version):
    rules = parse(cls, product, spec_version).room_rules
    default = "9" if spec_version == "legacy-1.1" else "10"
    assert rules == RoomRules(Product(product), SpecVersion(spec_version), ("9", "10"), default)


def test_other_room_versions_may_be_configured():
    rules = parse(RoomPolicy, rooms={"versions": ["11"], "default_version": "11"}).room_rules
    assert (rules.versions, rules.default_version) == (("11",), "11")


@pytest.mark.parametrize("cls", [EventPolicy, TiMessenger])
@pytest.mark.parametrize(
    ("spec_version", "rules"),
    [
        ("legacy-1.1", EventRules(False, True, None)),
        ("1.1", EventRules(True, False, None)),
        ("1.2", EventRules(True, True, DAY)),
    ],
)
def test_a_25395_02_a_28358_events_follow_the_generation(cls, spec_version, rules):
    for product in [product for product, generation in GENERATIONS if generation == spec_version]:
        assert parse(cls, product, spec_version).events.rules == rules


@pytest.mark.parametrize("spec_version", SpecVersion)
def test_what_the_operator_says_about_events_counts_in_any_generation(spec_version):
    events = {"single_emoji_reactions": False, "threads": True, "redaction_window": "90m"}
    rules = parse(EventPolicy, "pro", spec_version, events=events).events.rules
    assert rules == EventRules(False, True, dt.timedelta(minutes=90))
    assert parse(EventPolicy, "pro", spec_version, events={"single_emoji_reactions": True}).events.rules == (
        attrs.evolve(parse(EventPolicy, "pro", spec_version).events.rules, single_emoji_reactions=True)
    )
    assert not parse(EventPolicy, "pro", spec_version, events={"threads": False}).events.rules.threads


@pytest.mark.parametrize("off", ["off", False])
def test_a_redaction_window_is_off_and_yaml_may_call_it_false(off):
    assert parse(EventPolicy, events={"redaction_window": off}).events.rules.redaction_window is None


def test_the_client_api_shows_all_features_and_knows_the_insured():
    config = parse(ClientApiPolicy, "epa")
    assert config.insured_persons
    assert (config.client_api.unstable_features, config.client_api.hide_keys_of_strangers) == (None, False)
    assert not parse(ClientApiPolicy, "pro").insured_persons
    wanted = parse(TiMessenger, client_api={"unstable_features": ["a", "b"], "hide_keys_of_strangers": True})
    assert wanted.client_api.unstable_features == ["a", "b"]
    assert wanted.client_api.hide_keys_of_strangers


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        ("permissions", None, "dictionary"),
        ("permissions.defaults", {}, "unknown"),
        ("permissions.default", "allow all", "dictionary"),
        ("permissions.default.defaultSetting", "allow", "expected 'allow all' or 'block all'"),
        ("permissions.default.serverExceptions", ["a.example"], "expected an object"),
        ("permissions.default.userExceptions", {"a:a.example": {}}, "beginning with '@'"),
        ("permissions.default.groupExceptions", ["isInsuredPerson"], "groupName"),
        ("permissions.default.groupException", [], "an unknown member; there are"),
        ("rooms", [], "dictionary"),
        ("rooms.version", ["10"], "unknown"),
        ("rooms.versions", [], "at least one"),
        ("rooms.versions", "10", "list"),
        ("rooms.versions", ["10", "99"], "does not know 99"),
        ("rooms.versions[1]", ["9", 10], "string"),
        ("rooms.default_version", 10, "string"),
        ("events", False, "dictionary"),
        ("events.thread", True, "unknown"),
        ("events.threads", "off", "boolean"),
        ("events.single_emoji_reactions", 1, "boolean"),
        ("events.redaction_window", None, "or off"),
        ("events.redaction_window", True, "or off"),
        ("events.redaction_window", 0, "from one second (1s) to ten years (10y), or off"),
        ("events.redaction_window", "a day", "expected a duration such as 30s, 24h or 2w, or off"),
        ("events.redaction_window", "11y", "to ten years"),
        ("client_api.unstable", [], "unknown"),
        ("client_api.unstable_features", "some", "list"),
        ("client_api.unstable_features", False, "list"),
        ("client_api.unstable_features[0]", [1], "string"),
        ("client_api.hide_keys_of_strangers", "yes", "boolean"),
    ],
)
def test_wrong_values_are_refused_with_their_path(path, value, says):
    blocks = {"permissions": {"default": {"defaultSetting": "allow all"}}}
    keys = path.partition("[")[0]
    set_key(blocks, keys, value)
    part = PARTS[path.partition(".")[0]]
    own = {name: block for name, block in blocks.items() if PARTS[name] is part}
    for cls, given in ((part, own), (TiMessenger, blocks)):
        with pytest.raises(ConfigError) as caught:
            parse(cls, **given)
        assert f"modules[…].config.{path}: " in caught.value.msg
        assert says in caught.value.msg
        assert list(caught.value.path or ())[: len(keys.split("."))] == keys.split(".")


def test_the_default_room_version_is_one_of_those_that_are_created():
    with pytest.raises(ConfigError, match="default_version has to be one of versions") as caught:
        parse(RoomPolicy, rooms={"versions": ["9"]})
    assert "modules[…].config.rooms: " in caught.value.msg
    with pytest.raises(ConfigError, match="it is '9'"):
        parse(RoomPolicy, "pro", "legacy-1.1", rooms={"versions": ["10"]})
    rules = parse(
        RoomPolicy, "pro", "legacy-1.1", rooms={"versions": ["10"], "default_version": "10"}
    ).room_rules
    assert rules.default_version == "10"


@pytest.mark.parametrize("cls", [*PARTS.values(), TiMessenger])
def test_the_legacy_generation_is_for_product_pro(cls):
    with pytest.raises(ConfigError, match=r"config\.spec_version: legacy-1\.1 is for pro only"):
        parse(cls, "epa", "legacy-1.1")


@pytest.mark.parametrize("cls", [InvitePolicy, TiMessenger])
def test_the_legacy_generation_has_no_permission_configurations(cls):
    with pytest.raises(ConfigError, match=r"config\.permissions: legacy-1\.1 has approval lists"):
        parse(cls, "pro", "legacy-1.1", permissions={"default": {"defaultSetting": "block all"}})


def test_the_legacy_generation_needs_the_directory():
    with pytest.raises(ConfigError, match=r"config\.directory: "):
        TiMessenger.parse_config(
            {"product": "pro", "spec_version": "legacy-1.1", "federation_list": FEDERATION_LIST}
        )


@pytest.mark.parametrize("cls", [InvitePolicy, TiMessenger])
def test_there_are_no_groups_in_ti_m_epa(cls):
    permissions = {"default": {"defaultSetting": "allow all", "groupExceptions": []}}
    assert parse(cls, "pro", permissions=permissions).default == permissions["default"]
    with pytest.raises(ConfigError, match=r"permissions\.default\.groupExceptions: there are no groups"):
        parse(cls, "epa", permissions=permissions)


@pytest.mark.parametrize("name", PARTS)
def test_a_part_takes_its_own_block_only(name):
    for other, cls in PARTS.items():
        if other == name:
            parse(cls, **{name: {}})
            parse(TiMessenger, **{name: {}})
            continue
        with pytest.raises(ConfigError) as caught:
            parse(cls, **{name: {}})
        assert f"modules[…].config.{name}: this key is unknown" in caught.value.msg


@pytest.mark.parametrize("cls", PARTS.values())
def test_every_part_needs_product_and_generation(cls):
    with pytest.raises(ConfigError) as caught:
        cls.parse_config({})
    assert "modules[…].config.product: this key is required" in caught.value.msg
    assert "modules[…].config.spec_version: this key is required" in caught.value.msg


@pytest.mark.parametrize("cls", [*PARTS.values(), TiMessenger])
@pytest.mark.parametrize("block", [None, [], [{"product": "pro"}], "pro", 1])
def test_a_block_that_is_no_mapping_is_refused_with_its_path(cls, block):
    with pytest.raises(ConfigError, match=r"modules\[…\]\.config: "):
        cls.parse_config(block)


def test_each_mistake_of_the_whole_block_is_told_once():
    with pytest.raises(ConfigError) as caught:
        TiMessenger.parse_config({"product": "pharmacy", "spec_version": "1.2", "unknown": 1, 7: 1})
    lines = caught.value.msg.splitlines()
    assert len(lines) == len(set(lines))
    assert [line.partition(": ")[0].removeprefix("modules[…].config") for line in lines] == [
        ".product",
        ".federation_list",
        ".unknown",
        "[7]",
    ]
