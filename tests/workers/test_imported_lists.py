"""Approval lists of another product, in PostgreSQL."""

import json
import secrets

import psycopg2
import pytest
import yaml

from synapse_tim.cli import main
from tests.contacts.services.test_imported_lists import GONE, OWNER, ROWS, TABLE
from tests.contacts.services.test_migration_store import SCHEMA

pytestmark = pytest.mark.workers


def test_lists_are_copied_once(postgres_server, tmp_path, capsys):
    name = f"imported_{secrets.token_hex(4)}"
    postgres_server.create_database(name)
    settings = postgres_server.synapse_database(name)
    block = {"module": "synapse_tim.TiMessenger", "config": {"product": "pro", "spec_version": "1.2"}}
    path = tmp_path / "homeserver.yaml"
    path.write_text(
        yaml.safe_dump({"server_name": "clinic.example", "database": settings, "modules": [block]})
    )
    arguments = {key: value for key, value in settings["args"].items() if not key.startswith("cp_")}
    with psycopg2.connect(**arguments) as connection, connection.cursor() as cursor:
        cursor.execute(SCHEMA + TABLE)
        cursor.executemany("INSERT INTO users VALUES (%s, %s, false)", [(OWNER, 0), (GONE, 1)])
        cursor.executemany("INSERT INTO famedly_invite_checker_contacts VALUES (%s, %s, %s, %s, %s)", ROWS)
    connection.close()
    left = {"expired": 1, "no account": 2, "invalid": 2}
    for expected in ({"copied": 2}, {"there already": 2}):
        assert main(["contacts", "import", str(path), "--json"]) == 1
        assert json.loads(capsys.readouterr().out)["approvals"] == {**expected, **left}
    with psycopg2.connect(**arguments) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT contact FROM synapse_tim_contacts ORDER BY contact")
        assert cursor.fetchall() == [("@a:practice.example",), ("@b:practice.example",)]
    connection.close()
