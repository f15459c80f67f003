"""What ``synapse-tim check`` calls a violation is a warning at start-up, and what cannot work says so."""

import json

import pytest

from synapse_tim.cli import main
from synapse_tim.testing import SynapseServer, wait_for
from tests.support.world import module

pytestmark = pytest.mark.servers

NOT_ALLOWED = {
    "federation_list": {"on_stale": "keep", "refresh_interval": "48h", "max_age": "72h"},
    "rooms": {"versions": ["9", "10", "11"]},
    "events": {"redaction_window": "48h"},
    "cleanup": {"orphaned_rooms": "off"},
}


def server_with(tmp_path, ti, product="pro", extra=None, **policies):
    overrides = policies.pop("federation_list", {})
    entry = module(ti, product, **policies)
    entry["config"]["federation_list"].update(overrides)
    options = {"federation_domain_whitelist": [], **(extra or {})}
    return SynapseServer("clinic", tmp_path / "clinic", ti.world, modules=[entry], extra=options)


def violations(server, capsys):
    """What the command calls violations."""
    main(["check", str(server.config_path), "--json"])
    lines = json.loads(capsys.readouterr().out)["results"]
    return [line for line in lines if line["verdict"] == "violation"]


def warnings_of(server):
    marker = "homeserver.yaml violates "
    lines = (line for line in server.log_text().splitlines() if marker in line)
    return [line.partition(marker)[2] for line in lines if " WARNING " in line]


@pytest.mark.parametrize("product", ["pro", "epa"])
def test_every_violation_is_a_warning_that_names_the_command(ti, tmp_path, start, capsys, product):
    extra = {"enable_search": False, "experimental_features": {"msc2815_enabled": True}}
    server = start(server_with(tmp_path, ti, product, extra, **NOT_ALLOWED))
    found, warned = violations(server, capsys), warnings_of(server)
    assert len(found) >= 9
    assert len(warned) == len(found)
    for line in found:
        start_of_it = f"{line['requirement']} at {line['key']}: wanted is {line['wanted']}, because "
        (warning,) = (each for each in warned if each.startswith(start_of_it))
        assert line["reason"] in warning
        assert "synapse-tim check homeserver.yaml" in warning


def test_a_configuration_that_cannot_be_read_again_stops_nothing(ti, tmp_path, start):
    """The files are read by Synapse first, and are not there any more when they are checked."""
    server = server_with(tmp_path, ti)
    server.config["modules"].insert(0, {"module": "vanish.Vanish", "config": {}})
    server.write()
    (server.directory / "vanish.py").write_text(VANISH.format(path=str(server.config_path)))
    start(server)
    assert "homeserver.yaml could not be checked (UnusableConfigError)" in server.log_text()
    assert warnings_of(server) == []
    wait_for(lambda: server.metrics().get("synapse_tim_federation_list_version") == ti.version)


#: A module that takes the configuration away before ours is made.
VANISH = """
import pathlib

class Vanish:
    def __init__(self, config, api):
        pathlib.Path({path!r}).rename({path!r} + ".gone")

    @staticmethod
    def parse_config(config):
        return config
"""


@pytest.mark.parametrize("autocreate", [True, False])
@pytest.mark.requirement("AF_10233")
def test_a_25996_rooms_to_join_insured_persons_to_are_ignored_and_it_says_so(
    ti, tmp_path, start, capsys, autocreate
):
    extra = {
        "auto_join_rooms": ["#welcome:example.org"],
        "autocreate_auto_join_rooms": autocreate,
        "autocreate_auto_join_room_preset": "private_chat",
        "auto_join_mxid_localpart": "welcome",
    }
    server = server_with(tmp_path, ti, "epa", extra)
    server.config["auto_join_rooms"] = [f"#welcome:{server.server_name}"]
    start(server)
    assert "set auto_join_rooms: []" in server.log_text()
    for name in ("welcome", "erika", "otto"):
        assert server.register(name).joined_rooms() == set()
    assert "Failed to join new user" not in server.log_text()
    assert "Traceback" not in server.log_text()
    main(["check", str(server.config_path), "--json"])
    lines = json.loads(capsys.readouterr().out)["results"]
    assert [line["verdict"] for line in lines if line["check"] == "auto_join_rooms"] == ["warning"]


def test_a_26515_01_professionals_are_joined_to_a_public_room_that_does_not_federate(ti, tmp_path, start):
    """The nearest allowed."""
    server = server_with(tmp_path, ti)
    server.config["auto_join_rooms"] = [f"#welcome:{server.server_name}"]
    start(server)
    first, second = server.register("first"), server.register("second")
    (room,) = first.joined_rooms()
    assert second.joined_rooms() == {room}
    assert first.state(room, "m.room.create").json()["m.federate"] is False
    assert "auto_join_rooms" not in "".join(warnings_of(server))
