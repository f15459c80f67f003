"""``synapse-tim contacts``: what it cannot work with, and what needs no homeserver that runs."""

import json
import sqlite3
import time

import pytest
import yaml

from synapse_tim.cli import main
from synapse_tim.contacts.store import TABLES
from tests.contacts.services.test_migration_store import SCHEMA

BLOCK = {"product": "pro", "spec_version": "1.2"}
OWNER = "@owner:messenger.example.de"


@pytest.fixture
def config(tmp_path):
    """A homeserver of today that had a list once."""
    with sqlite3.connect(tmp_path / "homeserver.db") as database:
        database.executescript(SCHEMA)
        for statement in TABLES:
            database.execute(statement)
        database.execute("INSERT INTO users VALUES (?, 0, 0)", (OWNER,))
        for contact, start, end in (
            ("@a:x.example", 0, None),
            ("@b:x.example", 0, int(time.time()) + 90_000),
            ("@c:x.example", 0, 1),
            ("@d:x.example", int(time.time()) + 90_000, None),
        ):
            values = (OWNER, contact, "[bold]x", start, end)
            database.execute("INSERT INTO synapse_tim_contacts VALUES (?, ?, ?, ?, ?)", values)
    return {
        "server_name": "messenger.example.de",
        "database": {"name": "sqlite3", "args": {"database": str(tmp_path / "homeserver.db")}},
        "modules": [{"module": "synapse_tim.TiMessenger", "config": dict(BLOCK)}],
    }


@pytest.fixture
def run(tmp_path, capsys):
    def run(config, command, *more):
        path = tmp_path / "homeserver.yaml"
        path.write_text(config if isinstance(config, str) else yaml.safe_dump(config))
        code = main(["contacts", command, str(path), *more])
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run


def test_a_dry_run_shows_what_would_become_of_each_list(config, run):
    code, out, err = run(config, "migrate", "--dry-run")
    assert (code, err) == (1, "")
    assert f"│ {OWNER}" in out.replace("┃", "│")
    assert "1 migrated, 1 expired, 1 later, 1 undecided" in out
    assert "say --limited allow or --limited leave-out" in out
    code, out, err = run(config, "migrate", "--dry-run", "--limited", "allow", "--json")
    assert (code, err) == (1, "")
    document = json.loads(out)
    assert document["dry_run"] is True
    assert document["approvals"] == {"migrated": 2, "expired": 1, "later": 1}
    (user,) = document["users"]
    assert (user["user_id"], user["fault"]) == (OWNER, None)
    assert list(user["written"]["userExceptions"]) == ["@a:x.example", "@b:x.example"]
    code, out, _ = run(config, "migrate", "--dry-run", "--skip", OWNER)
    assert (code, "3 skipped, 1 expired" in out) == (0, True)


def test_nothing_is_done_before_everything_is_decided(config, run, tmp_path):
    access = ("--homeserver-url", "http://127.0.0.1:1", "--access-token-file", str(tmp_path / "none"))
    code, out, err = run(config, "migrate", *access)
    assert (code, out) == (2, "")
    assert err.startswith("1 approvals have an end date, which a permission configuration cannot express")
    code, _, err = run(config, "migrate", *access, "--limited", "allow")
    assert (code, "no readable access token (FileNotFoundError)" in err) == (2, True)


@pytest.mark.parametrize(
    "more",
    [
        {"matrix_authentication_service": {"enabled": True}},
        {"experimental_features": {"msc3861": {"enabled": True}}},
    ],
)
def test_the_admin_api_cannot_log_in_as_users_of_another_service(config, run, tmp_path, more):
    (tmp_path / "token").write_text("token")
    access = ("--homeserver-url", "http://127.0.0.1:1", "--access-token-file", str(tmp_path / "token"))
    code, _, err = run({**config, **more}, "migrate", *access, "--limited", "allow")
    assert (code, err.startswith("Matrix Authentication Service")) == (2, True)


def test_without_a_table_there_is_nothing_to_do(config, run, tmp_path):
    with sqlite3.connect(tmp_path / "homeserver.db") as database:
        database.execute("DROP TABLE synapse_tim_contacts")
    nothing = (0, "There is no table of contacts: nothing to do.\n", "")
    assert run(config, "migrate") == nothing
    assert run(config, "migrate", "--dry-run") == nothing
    assert run(config, "remove-old", "--yes") == nothing


def test_lists_are_not_removed_before_they_are_migrated(config, run, tmp_path):
    code, out, err = run(config, "remove-old", "--yes")
    assert (code, out) == (1, "")
    assert err.startswith("3 approvals of 1 users were neither migrated nor decided on")
    legacy = {**BLOCK, "spec_version": "legacy-1.1"}
    for module in ("TiMessenger", "ContactManagement"):
        modules = [{"module": f"synapse_tim.{module}", "config": legacy}]
        code, _, err = run({**config, "modules": modules}, "remove-old", "--yes", "--force")
        assert (code, "legacy-1.1, which needs the lists" in err) == (2, True)
    assert run(config, "remove-old", "--yes", "--force")[0] == 0
    with sqlite3.connect(tmp_path / "homeserver.db") as database:
        left = database.execute("SELECT name FROM sqlite_master WHERE name LIKE 'synapse_tim%'").fetchall()
    assert left == []


def test_removing_has_to_be_confirmed(config, run):
    with pytest.raises(SystemExit) as caught:
        run(config, "remove-old")
    assert caught.value.code == 2


@pytest.mark.parametrize("command", [("migrate", "--dry-run"), ("remove-old", "--yes")])
@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"database": None}, "no database with a name and args"),
        ({"database": {"name": "sqlite3", "args": {"database": "/no/where.db"}}}, "/no/where.db"),
        ({"server_name": None}, "a server_name and one synapse_tim.TiMessenger"),
        ({"modules": []}, "a server_name and one synapse_tim.TiMessenger"),
        ({"modules": "all"}, "a server_name and one synapse_tim.TiMessenger"),
        ({"modules": [{"module": "synapse_tim.TiMessenger", "config": {}}]}, "is not a valid Product"),
        (
            {"modules": [{"module": "synapse_tim.TiMessenger", "config": {**BLOCK, "spec_version": "2"}}]},
            "is not a valid SpecVersion",
        ),
    ],
)
def test_what_it_cannot_work_with(config, run, command, change, says):
    code, out, err = run({**config, **change}, *command)
    assert (code, out) == (2, "")
    assert says in err
    assert len(err.splitlines()) == 1


def test_a_database_that_is_none(config, run, tmp_path):
    (tmp_path / "homeserver.db").write_text("this is no database, but a text that is long enough " * 50)
    code, out, err = run(config, "migrate", "--dry-run")
    assert (code, out) == (2, "")
    assert "the database does not answer" in err
