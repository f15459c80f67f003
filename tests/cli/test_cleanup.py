"""``synapse-tim cleanup``: what it cannot work with."""

import sqlite3

import pytest
import yaml

from synapse_tim.cli import main
from tests.cleanup.synapse_tables import SCHEMA

BLOCK = {"product": "epa", "spec_version": "1.2"}


@pytest.fixture
def config(tmp_path):
    """A homeserver that has not been started with the module yet."""
    with sqlite3.connect(tmp_path / "homeserver.db") as database:
        database.executescript(SCHEMA)
    return {
        "server_name": "messenger.example.de",
        "database": {"name": "sqlite3", "args": {"database": str(tmp_path / "homeserver.db")}},
        "modules": [{"module": "synapse_tim.TiMessenger", "config": dict(BLOCK)}],
    }


@pytest.fixture
def run(tmp_path, capsys):
    def run(config, *more):
        path = tmp_path / "homeserver.yaml"
        path.write_text(config if isinstance(config, str) else yaml.safe_dump(config))
        code = main(["cleanup", "--dry-run", str(path), *more])
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run


def test_nothing_is_due_and_nobody_is_known_to_be_insured(config, run):
    code, out, err = run(config)
    assert code == 0
    assert "rooms looked at" in out
    assert "insured persons are unknown" in out
    assert err == ""


def test_other_files_and_other_ways_to_name_the_database(config, run, tmp_path):
    database = config.pop("database")
    both = {"main": {**database, "data_stores": ["main"]}, "state": {"name": "x", "data_stores": ["state"]}}
    assert run({**config, "databases": both})[0] == 0
    more = tmp_path / "database.yaml"
    more.write_text(yaml.safe_dump({"database": database}))
    assert run(config, str(more))[0] == 0
    config["modules"] = [{"module": "synapse_tim.RoomCleanup", "config": dict(BLOCK)}]
    assert run({**config, "database": database})[0] == 0


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"database": None}, "no database with a name and args"),
        ({"database": {"name": "mysql", "args": {}}}, "sqlite3 or psycopg2"),
        ({"database": {"name": "sqlite3", "args": ["x"]}}, "sqlite3 or psycopg2"),
        ({"database": {"name": "sqlite3", "args": {"database": "/no/where.db"}}}, "/no/where.db"),
        ({"server_name": None}, "a server_name and one synapse_tim.TiMessenger"),
        ({"modules": []}, "a server_name and one synapse_tim.TiMessenger"),
        ({"modules": "all"}, "a server_name and one synapse_tim.TiMessenger"),
        ({"modules": [{"module": "synapse_tim.TiMessenger"}] * 2}, "a server_name and one"),
        (
            {"modules": [{"module": "synapse_tim.TiMessenger", "config": {**BLOCK, "cleanup": {"x": 1}}}]},
            "modules[…].config.cleanup.x: this key is unknown",
        ),
        ({"modules": [{"module": "synapse_tim.TiMessenger", "config": {}}]}, "product: this key is required"),
    ],
)
def test_what_cannot_be_used_is_said_in_a_line_or_two(config, run, change, says):
    code, out, err = run({**config, **change})
    assert code == 2
    assert says in err
    assert "Traceback" not in err
    assert out == ""


@pytest.mark.parametrize("text", ["", "- a\n", "server_name: [", "\0"])
def test_what_is_no_configuration(run, text):
    code, _, err = run(text)
    assert code == 2
    assert "Traceback" not in err


def test_a_database_of_something_else(config, run, tmp_path):
    with sqlite3.connect(tmp_path / "other.db") as database:
        database.execute("CREATE TABLE other (x TEXT)")
    config["database"]["args"]["database"] = str(tmp_path / "other.db")
    code, _, err = run(config)
    assert (code, "no such table: rooms" in err) == (2, True)
    (tmp_path / "broken.db").write_bytes(b"not a database" * 100)
    config["database"]["args"]["database"] = str(tmp_path / "broken.db")
    code, _, err = run(config)
    assert (code, "file is not a database" in err) == (2, True)


def test_the_password_of_the_database_is_not_said(config, run):
    pytest.importorskip("psycopg2")
    arguments = {"host": "127.0.0.1", "port": 1, "user": "synapse", "password": "hunter2", "cp_min": 5}
    code, _, err = run({**config, "database": {"name": "psycopg2", "args": arguments}})
    assert code == 2
    assert "hunter2" not in err
    assert "PostgreSQL: " in err


def test_a_database_that_is_not_described_well(config, run):
    """Without the driver it says that instead."""
    database = {"name": "psycopg2", "args": {"nonsense": 1}}
    code, _, err = run({**config, "database": database})
    assert code == 2
    assert err.startswith(("PostgreSQL: ", "psycopg2 is not installed"))


def test_it_only_ever_looks(config, run, tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["cleanup", str(tmp_path / "homeserver.yaml")])
    assert ended.value.code == 2
    assert "--dry-run" in capsys.readouterr().err


def test_a_time_before_all_calendars_is_printed_as_the_first_one(config, run, tmp_path):
    with sqlite3.connect(tmp_path / "homeserver.db") as database:
        database.execute("INSERT INTO rooms VALUES ('!a', '')")
        database.execute(
            "INSERT INTO events VALUES ('$a', '!a', 'm.room.create', '@a:b', '', ?, 1, false, NULL)",
            (-(10**17),),
        )
    code, out, err = run(config, "--json")
    assert (code, err) == (0, "")
    assert '"since": "1970-01-01T00:00:00+00:00"' in out
