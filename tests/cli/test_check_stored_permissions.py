"""``synapse-tim check --online`` counts the permission configurations that nobody can read (A_26390)."""

import contextlib
import json
import sqlite3

import pytest
import yaml

from synapse_tim.check import stored_permissions
from synapse_tim.cli import main
from synapse_tim.core.products import Product, SpecVersion
from synapse_tim.invites.permission_config import ACCOUNT_DATA_TYPES
from tests.cli.configurations import make_files, sound


@pytest.fixture
def check(tmp_path, capsys):
    """Run the command with a list that cannot be fetched; gives the line about stored documents."""

    def run(product, documents, *, table=True, spec_version=SpecVersion.V1_2, online=True):
        make_files(tmp_path)
        config = sound(tmp_path, product, spec_version)
        config["server_name"] = "localhost:1"
        config["modules"][0]["config"]["federation_list"]["url"] = "https://localhost:1/list.jws"
        config["database"] = {"name": "sqlite3", "args": {"database": str(tmp_path / "homeserver.db")}}
        if table:
            with contextlib.closing(sqlite3.connect(tmp_path / "homeserver.db")) as connection, connection:
                connection.execute(
                    "CREATE TABLE account_data "
                    "(user_id TEXT, account_data_type TEXT, stream_id BIGINT, content TEXT)"
                )
                for number, (kind, document) in enumerate(documents):
                    row = (f"@insured-x{number}:localhost:1", kind, number, document)
                    connection.execute("INSERT INTO account_data VALUES (?, ?, ?, ?)", row)
        path = tmp_path / "homeserver.yaml"
        path.write_text(yaml.safe_dump(config))
        main(["check", str(path), "--json", *(["--online"] if online else [])])
        printed = capsys.readouterr().out
        assert "insured-x" not in printed
        (line,) = (line for line in json.loads(printed)["results"] if line["check"] == "permissions.stored")
        return line["verdict"], line["found"]

    return run


PRO, EPA = ACCOUNT_DATA_TYPES[Product.PRO], ACCOUNT_DATA_TYPES[Product.EPA]
ALLOW = '{"defaultSetting": "allow all"}'
GROUPS = '{"defaultSetting": "block all", "groupExceptions": [{"groupName": "isInsuredPerson"}]}'


def test_a_26390_what_follows_the_schema_or_is_empty_is_right(check, monkeypatch):
    monkeypatch.setattr(stored_permissions, "_PAGE", 2)
    documents = [(PRO, ALLOW), (PRO, "{}"), (PRO, GROUPS), (PRO, "{}"), (EPA, "x"), ("m.direct", "[]")]
    assert check(Product.PRO, documents) == ("ok", "0 of 4 do not follow it, 2 are empty")


def test_a_26390_what_does_not_is_counted(check, monkeypatch):
    monkeypatch.setattr(stored_permissions, "_PAGE", 2)
    documents = [(EPA, text) for text in (ALLOW, GROUPS, '{"a": 1}', "[]", "no JSON", "[" * 9999, "null")]
    assert check(Product.EPA, documents) == ("warning", "6 of 7 do not follow it, 0 are empty")


def test_nothing_is_said_of_a_database_that_cannot_be_read(check, tmp_path):
    assert check(Product.PRO, [], table=False) == ("not_applicable", "")
    assert not (tmp_path / "homeserver.db").exists()


def test_nor_without_online_nor_of_a_generation_without_such_documents(check):
    assert check(Product.PRO, [(PRO, "x")], online=False) == ("not_applicable", "")


def test_the_legacy_generation_has_no_such_documents(check):
    documents = [(PRO, "x")]
    line = check(Product.PRO, documents, spec_version=SpecVersion.LEGACY_1_1)
    assert line == ("not_applicable", "")
