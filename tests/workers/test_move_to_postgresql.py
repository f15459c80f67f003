"""A homeserver moves from SQLite to PostgreSQL with all that this project has stored."""

import copy
import json
import re
import secrets
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from synapse_tim.cli import main
from synapse_tim.testing import SynapseServer, wait_for
from synapse_tim.testing.simulator.idp.cards import Card
from tests.login.e2e.world import DOCTOR, central, logged_in, module, refused

pytestmark = pytest.mark.workers

DOCS = Path(__file__).parents[2] / "docs" / "database.md"
AUDIENCE = "messenger-app"
VERSION = "synapse_tim_federation_list_version"
EXTRA = {"federation_domain_whitelist": [], "background_updates": {"sleep_enabled": False}}


def a_token(ti, card):
    return ti.idp.mint(card, audience=AUDIENCE)


def purge(server, administrator, room):
    """Have Synapse delete a room, and wait until nothing of it is left."""
    path = f"/_synapse/admin/v2/rooms/{room}"
    deletion = administrator.request("DELETE", path, {"purge": True}).raise_for_status().json()
    status = f"/_synapse/admin/v2/rooms/delete_status/{deletion['delete_id']}"
    wait_for(lambda: administrator.request("GET", status).json()["status"] == "complete", timeout=30)


def commands():
    """What docs/database.md has operators type."""
    (block,) = re.findall(r"```console\n(.*?)```", DOCS.read_text(), re.DOTALL)
    return [shlex.split(line) for line in block.replace("\\\n", " ").strip().splitlines()]


@pytest.fixture
def moved(ti, tmp_path, postgres_server, monkeypatch):
    """A server that ran on SQLite, and whose database Synapse's own script has copied; and what was there."""
    login = {"providers": [central(ti)], "permitted": ["id_token", "password"]}
    modules = [module(ti, "pro", login, cleanup={"interval": "1s"})]
    server = SynapseServer("clinic", tmp_path / "clinic", ti.world, modules=modules, extra=EXTRA)
    server.start().wait()
    try:
        ti.add(server.server_name)
        ti.add("former.example")
        ti.remove("former.example")
        wait_for(lambda: server.metrics().get(VERSION) == ti.version, timeout=30, what="the list")
        card = Card(id_nummer="1-HBA-TEST-ONLY-9001", profession_oid=DOCTOR, family_name="Doktor")
        token = a_token(ti, card)
        session = logged_in(server, token)
        administrator = server.register("administrator", admin=True)
        kept, newest = administrator.create_room(), administrator.create_room()
        administrator.send(kept, "from before").raise_for_status()
        for number in range(5):
            administrator.send(newest, str(number)).raise_for_status()
        purge(server, administrator, newest)
        wait_for(lambda: server.metrics().get("synapse_tim_cleanup_last_run_timestamp_seconds"), timeout=30)
    finally:
        server.stop()
    monkeypatch.chdir(server.directory)
    Path("homeserver.yaml").rename("homeserver-sqlite.yaml")
    database = f"moved_{secrets.token_hex(4)}"
    postgres_server.create_database(database)
    server.config = copy.deepcopy(server.config)
    server.config["database"] = postgres_server.synapse_database(database)
    Path("homeserver.yaml").write_text(yaml.safe_dump(server.config))
    theirs, ours = commands()
    script = Path(sys.executable).parent / theirs[0]
    done = subprocess.run([script, *theirs[1:]], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    try:
        yield server, ours[1:], card, token, session, administrator, kept
    finally:
        server.stop()


def test_lists_logins_and_clean_up_move_to_postgresql(moved, ti, capsys):
    server, command, card, token, session, administrator, kept = moved
    # Synapse's script alone is not enough: the newest room was purged.
    assert "events_stream_seq" in server.start_expecting_failure()

    assert main([*command, "--json"]) == 0
    done = json.loads(capsys.readouterr().out)
    lists = ("federation_list", "federation_list_chunk", "federation_list_compiled")
    for table in (*lists, "trust_certificate", "used_token", "cleanup"):
        assert done["tables"][f"synapse_tim_{table}"] > 0, done
    assert "events_stream_seq" in {each["sequence"] for each in done["sequences"]}
    assert all(each["was"] < each["now"] for each in done["sequences"])

    ti.faults.rollback = 1
    server.start().wait()
    rollbacks = 'synapse_tim_federation_list_updates_total{result="rollback"}'
    wait_for(lambda: server.metrics().get(rollbacks, 0) > 0, timeout=30, what="the refusal")
    assert server.metrics()[VERSION] == ti.version
    refused(server, token, "replayed")
    assert logged_in(server, a_token(ti, card))["user_id"] == session["user_id"]
    administrator.send(kept, "from now on").raise_for_status()
    assert administrator.texts(kept) == ["from now on", "from before"]
    room = administrator.create_room()
    assert room in administrator.joined_rooms()


def test_what_is_there_already_is_replaced_only_if_told(moved, capsys):
    server, command, *_ = moved
    assert main(command) == 0
    assert "rows of synapse_tim_federation_list" in capsys.readouterr().out
    server.start().wait()
    server.stop()
    assert main(command) == 1
    assert "rows in synapse_tim_" in capsys.readouterr().err
    assert main([*command, "--replace", "--json"]) == 0
    done = json.loads(capsys.readouterr().out)
    assert done["replaced_rows"] > 0
    assert done["sequences"] == []
    server.restart().wait()


def test_what_cannot_be_ported(moved, capsys, postgres_server):
    server, command, *_ = moved
    postgres_server.create_database("empty")
    server.config["database"] = postgres_server.synapse_database("empty")
    Path("homeserver.yaml").write_text(yaml.safe_dump(server.config))
    assert main(command) == 1
    assert "run synapse_port_db first" in capsys.readouterr().err
    turned = ["database", "port", "--from", "homeserver.yaml", "--to", "homeserver-sqlite.yaml"]
    assert main(turned) == 2
    assert "--from has to name a SQLite database" in capsys.readouterr().err
    Path("homeserver.yaml").write_text(yaml.safe_dump({**server.config, "server_name": "other.example"}))
    assert main(command) == 2
    assert "for different homeservers" in capsys.readouterr().err
