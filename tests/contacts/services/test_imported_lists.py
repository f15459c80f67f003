"""The table of synapse-invite-checker 0.2, as it makes it, in a homeserver's database."""

import json
import sqlite3
import time

import pytest
import yaml

from synapse_tim.cli import main
from tests.contacts.services.test_migration_store import SCHEMA

OWNER, GONE = "@owner:clinic.example", "@gone:clinic.example"
NOW = int(time.time())
TABLE = """
    CREATE TABLE famedly_invite_checker_contacts (
        "owning_user" TEXT NOT NULL, "contact_display_name" TEXT NOT NULL, "contact_mxid" TEXT NOT NULL,
        "contact_invite_settings_start" BIGINT NOT NULL, "contact_invite_settings_end" BIGINT
    );
    CREATE UNIQUE INDEX famedly_invite_checker_contacts_user_mxid
        ON famedly_invite_checker_contacts("owning_user", "contact_mxid");
"""
ROWS = [
    (OWNER, "A", "@a:practice.example", 0, None),
    (OWNER, "B", "@b:Practice.example", 1_700_000_000, NOW + 90_000),
    (OWNER, "C", "@c:practice.example", 0, 1),
    (OWNER, "D", "no user", 0, None),
    (OWNER, "E", "@e:practice.example", 1_700_000_000_000, None),
    (GONE, "A", "@a:practice.example", 0, None),
    ("@never:clinic.example", "A", "@a:practice.example", 0, None),
]


@pytest.fixture
def database(tmp_path):
    path = tmp_path / "homeserver.db"
    config = {
        "server_name": "clinic.example",
        "database": {"name": "sqlite3", "args": {"database": str(path)}},
        "modules": [
            {"module": "synapse_tim.TiMessenger", "config": {"product": "pro", "spec_version": "1.2"}}
        ],
    }
    (tmp_path / "homeserver.yaml").write_text(yaml.safe_dump(config))
    with sqlite3.connect(path) as connection:
        connection.executescript(SCHEMA)
        connection.executemany("INSERT INTO users VALUES (?, ?, 0)", [(OWNER, 0), (GONE, 1)])
    return connection


@pytest.fixture
def run(tmp_path, capsys):
    def run(*more):
        code = main(["contacts", *more[:1], str(tmp_path / "homeserver.yaml"), *more[1:], "--json"])
        return code, json.loads(capsys.readouterr().out)

    return run


def test_what_can_be_used_is_copied_once(database, run):
    database.executescript(TABLE)
    database.executemany("INSERT INTO famedly_invite_checker_contacts VALUES (?, ?, ?, ?, ?)", ROWS)
    database.commit()
    expected = {"copied": 2, "expired": 1, "no account": 2, "invalid": 2}
    code, document = run("import", "--dry-run")
    assert (code, document["approvals"], document["dry_run"]) == (1, expected, True)
    tables = "SELECT name FROM sqlite_master WHERE name LIKE 'synapse_tim%' AND type = 'table'"
    assert database.execute(tables).fetchall() == []
    code, document = run("import")
    assert (code, document["approvals"]) == (1, expected)
    assert database.execute("SELECT * FROM synapse_tim_contacts ORDER BY contact").fetchall() == [
        (OWNER, "@a:practice.example", "A", 0, None),
        (OWNER, "@b:practice.example", "B", 1_700_000_000, NOW + 90_000),
    ]
    # What the owner has changed since stays, and the table of the other product is as it was.
    database.execute("UPDATE synapse_tim_contacts SET start_s = 5 WHERE contact LIKE '@a%'")
    database.commit()
    _, document = run("import")
    assert document["approvals"] == {"there already": 2, "expired": 1, "no account": 2, "invalid": 2}
    assert database.execute("SELECT start_s FROM synapse_tim_contacts ORDER BY contact").fetchall()[0] == (5,)
    assert database.execute("SELECT COUNT(*) FROM famedly_invite_checker_contacts").fetchone() == (7,)
    # From here on it is a list like any other.
    code, document = run("migrate", "--dry-run", "--limited", "allow")
    (user,) = document["users"]
    assert sorted(user["written"]["userExceptions"]) == ["@a:practice.example", "@b:practice.example"]


def test_without_the_table_there_is_nothing_to_do(database, run, tmp_path, capsys):
    assert run("import") == (0, {"dry_run": False, "approvals": {}, "rows": []})
    assert main(["contacts", "import", str(tmp_path / "homeserver.yaml")]) == 0
    assert "nothing to do" in capsys.readouterr().out


def test_an_empty_permission_document_of_the_other_product_counts_as_none(database, run):
    """It stores ``{}`` in some cases: the owner's approvals are taken over all the same."""
    database.executescript(TABLE)
    database.execute("INSERT INTO famedly_invite_checker_contacts VALUES (?, ?, ?, ?, ?)", ROWS[0])
    kind = "de.gematik.tim.account.permissionconfig.pro.v1"
    database.execute("INSERT INTO account_data VALUES (?, ?, ?)", (OWNER, kind, "{}"))
    database.commit()
    run("import")
    _, document = run("migrate", "--dry-run")
    (user,) = document["users"]
    assert list(user["written"]["userExceptions"]) == ["@a:practice.example"]
