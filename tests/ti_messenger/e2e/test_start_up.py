"""What keeps a homeserver from starting, what is only said, and parts that are loaded alone."""

import pytest

from synapse_tim.core.checks import Verdict
from synapse_tim.core.homeserver_options import OPTIONS
from synapse_tim.core.products import Product
from synapse_tim.testing import SynapseServer, wait_for
from tests.support.world import CLIENT, code, module, versions_at

pytestmark = pytest.mark.servers


def clinic(ti, tmp_path, *modules, product="pro"):
    return SynapseServer(
        "clinic",
        tmp_path / "clinic",
        ti.world,
        modules=modules or [module(ti, product)],
        extra={"federation_domain_whitelist": []},
    )


def set_option(config, key, value):
    *path, last = key.split(".")
    for name in path:
        config = config.setdefault(name, {})
    config[last] = value


@pytest.mark.parametrize("product", list(Product))
def test_options_that_violate_a_requirement_stop_start_up_all_at_once(ti, tmp_path, product):
    server = clinic(ti, tmp_path, product=product.value)
    wanted = [o for o in OPTIONS if product in o.products and o.severity is Verdict.VIOLATION]
    # Previews need libraries that are not installed here; Synapse itself says so first.
    # Other ways to log in need more than a switch: see tests/login.
    wanted = [o for o in wanted if o.key != "url_preview_enabled" and o.value != {}]
    for option in wanted:
        set_option(server.config, option.key, "27w" if isinstance(option.value, str) else not option.value)
    server.config["enable_registration_without_verification"] = True
    said = server.start_expecting_failure() + server.log_text()
    for option in wanted:
        assert f"set {option.key}: " in said
        assert option.requirement in said
        set_option(server.config, option.key, option.value)
    try:
        server.start().wait()
    finally:
        server.stop()


def test_options_that_are_a_matter_of_judgement_are_a_warning(ti, start, tmp_path):
    server = clinic(ti, tmp_path)
    warned = [o for o in OPTIONS if Product.PRO in o.products and o.severity is Verdict.WARNING]
    for option in warned:
        value = [{"action": "deny"}] if isinstance(option.value, tuple) else not option.value
        set_option(server.config, option.key, value)
    start(server)
    for option in warned:
        assert f"set {option.key}: " in server.log_text()


@pytest.mark.parametrize(
    ("policies", "says"),
    [
        (
            {
                "permissions": {"defaults": {}},
                "rooms": {"versions": [10]},
                "events": {"redaction_window": "never", "threads": "no"},
                "client_api": {"unstable_features": "none"},
                "cleanup": {"orphaned_rooms": "1h"},
                "information": {"support": {}},
            },
            (
                "permissions.defaults",
                "rooms.versions",
                "events.redaction_window",
                "events.threads",
                "client_api.unstable_features",
                "cleanup.orphaned_rooms",
                "information.support",
            ),
        ),
        ({"permissions": {"default": {"defaultSetting": "x"}}}, ("permissions.default.defaultSetting",)),
        ({"rooms": {"default_version": "11"}}, ("rooms",)),
        ({"permissions": {"default": {}}}, ("permissions.default.defaultSetting",)),
        ({"rooms": {"versions": ["99"]}}, ("rooms",)),
        ({"contacts": {}}, ("contacts",)),
    ],
)
def test_a_wrong_block_is_refused_with_its_key_paths(ti, tmp_path, policies, says):
    server = clinic(ti, tmp_path, module(ti, **policies))
    said = server.start_expecting_failure()
    for key in says:
        assert f"config.{key}" in said
    assert "Traceback" not in said


def part(name, **block):
    return {"module": f"synapse_tim.{name}", "config": {"product": "pro", "spec_version": "1.2", **block}}


def test_invitations_need_the_federation_list(ti, tmp_path):
    allow_list = part("FederationAllowList", federation_list=ti.federation_list_config())
    for modules in ([part("InvitePolicy")], [part("InvitePolicy"), allow_list]):
        server = clinic(ti, tmp_path / str(len(modules)), *modules)
        said = server.start_expecting_failure() + server.log_text()
        assert "synapse_tim.InvitePolicy needs synapse_tim.FederationAllowList" in said


@pytest.mark.parametrize("twice", ["InvitePolicy", "RoomPolicy", "EventPolicy", "ClientApiPolicy"])
def test_no_part_is_loaded_twice(ti, tmp_path, twice):
    server = clinic(ti, tmp_path, module(ti), part(twice))
    said = server.start_expecting_failure() + server.log_text()
    assert f"synapse_tim.{twice} is loaded twice" in said


def test_parts_work_alone(ti, start, tmp_path):
    """Without the federation list there is no federation policy, and the whitelist is Synapse's."""
    modules = [part("RoomPolicy"), part("EventPolicy"), part("ClientApiPolicy")]
    server = clinic(ti, tmp_path, *modules)
    del server.config["federation_domain_whitelist"]
    start(server)
    alice = server.register("alice")
    assert code(alice.try_create_room(room_version="12")) == (400, "M_UNSUPPORTED_ROOM_VERSION")
    room = alice.create_room()
    content = {"m.relates_to": {"rel_type": "m.annotation", "event_id": "$x", "key": "no"}}
    assert alice.send_event(room, "m.reaction", content).status_code == 400
    path = f"{CLIENT}/profile/{alice.user_id}/displayname"
    assert code(alice.request("PUT", path, {"displayname": "x"})) == (403, "M_FORBIDDEN")


def test_the_parts_together_are_the_whole(ti, start, tmp_path):
    server = clinic(
        ti,
        tmp_path,
        part("FederationAllowList", federation_list=ti.federation_list_config()),
        part("InvitePolicy", permissions={"default": {"defaultSetting": "block all"}}),
        part("RoomPolicy"),
        part("EventPolicy"),
        part("ClientApiPolicy"),
    )
    ti.add(server.server_name)
    start(server)
    wait_for(lambda: versions_at(server) == {ti.version}, what="the list")
    alice, bob = server.register("alice"), server.register("bob")
    assert code(alice.try_create_room(invite=[bob.user_id])) == (403, "M_FORBIDDEN")
    assert alice.try_create_room().status_code == 200
