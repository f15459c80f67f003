"""Approval lists and notes in a homeserver's database."""

import sqlite3

import pytest

from synapse_tim.admin.database import DatabaseUnusableError, open_database, open_for_changes
from synapse_tim.contacts.migration_rules import Account, Note, Outcome, Plan, digest
from synapse_tim.contacts.migration_store import ContactLists, ContactNotes, Left
from synapse_tim.contacts.rules import Contact
from synapse_tim.contacts.store import TABLES

KIND = "de.example.kind"
NOW = 1_700_000_000
OWNER = "@owner:clinic.example"
SCHEMA = """
    CREATE TABLE users (name TEXT, deactivated SMALLINT, locked BOOLEAN);
    CREATE TABLE account_data (user_id TEXT, account_data_type TEXT, content TEXT);
"""


def contact(name="a", start=0, end=None):
    return Contact(name.upper(), f"@{name}:practice.example", start, end)


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "homeserver.db"
    with sqlite3.connect(path) as database:
        database.executescript(SCHEMA)
        for statement in TABLES:
            database.execute(statement)
        database.execute("INSERT INTO users VALUES (?, 0, 0)", (OWNER,))
    return path


@pytest.fixture
def execute(path):
    def execute(statement, *arguments):
        with sqlite3.connect(path) as database:
            return database.execute(statement, arguments).fetchall()

    return execute


@pytest.fixture
def configuration(path):
    return {"database": {"name": "sqlite3", "args": {"database": str(path)}}}


@pytest.fixture
def opened(configuration, tmp_path):
    with open_for_changes(configuration, tmp_path) as database:
        yield database


@pytest.fixture
def notes(opened):
    return ContactNotes(opened)


@pytest.fixture
def listed(execute):
    def listed(*contacts, owner=OWNER):
        for each in contacts:
            values = (owner, each.mxid, each.display_name, each.start, each.end)
            execute("INSERT INTO synapse_tim_contacts VALUES (?, ?, ?, ?, ?)", *values)

    return listed


def test_before_a_first_run_there_are_no_notes(configuration, tmp_path, listed, execute):
    listed(contact("b", 1, 2), contact("a"))
    execute("INSERT INTO account_data VALUES (?, ?, ?)", OWNER, KIND, '{"a": 1}')
    with open_database(configuration, tmp_path) as database:
        lists = ContactLists(database, KIND)
        assert lists.owners() == [OWNER]
        user = lists.of(OWNER)
    assert user.contacts == [contact("a"), contact("b", 1, 2)]
    assert (user.stored, user.account, user.written, user.notes) == ({"a": 1}, Account.IN_USE, set(), {})
    assert (
        len(execute("SELECT name FROM sqlite_master WHERE name LIKE 'synapse_tim_%' AND type = 'table'")) == 1
    )


def test_what_is_opened_for_reading_is_not_changed(configuration, tmp_path):
    with open_database(configuration, tmp_path) as database, pytest.raises(DatabaseUnusableError):  # noqa: SIM117
        with database.transaction() as cursor:
            cursor.execute("DELETE FROM users")


def test_a_change_that_fails_is_no_change(opened, execute):
    def change():
        with opened.change() as cursor:
            cursor.execute("DELETE FROM users")
            cursor.execute("DELETE FROM nothing")

    with pytest.raises(DatabaseUnusableError):
        change()
    assert execute("SELECT name FROM users") == [(OWNER,)]


def test_notes_are_read_again(opened, notes, listed):
    listed(contact("a"), contact("b", end=NOW))
    document = {"x": 1}
    notes.intend(OWNER, "older")
    notes.intend(OWNER, digest(document))
    notes.intend(OWNER, digest(document))
    lists = ContactLists(opened, KIND)
    assert lists.of(OWNER).written == {"older", digest(document)}
    outcomes = {contact("a"): Outcome.MIGRATED, contact("b", end=NOW): Outcome.LATER}
    for _ in range(2):
        notes.done(Plan(OWNER, outcomes, document), digest(document), NOW)
    user = lists.of(OWNER)
    assert user.written == {digest(document)}
    assert user.notes == {contact("a").mxid: Note(0, None, "migrated")}


def test_an_owner_whose_list_is_empty_is_not_forgotten(opened, notes):
    notes.intend(OWNER, "digest")
    assert ContactLists(opened, KIND).owners() == [OWNER]


@pytest.mark.parametrize(
    ("change", "account"),
    [
        ("UPDATE users SET locked = 1", Account.LOCKED),
        ("UPDATE users SET deactivated = 1, locked = 1", Account.GONE),
        ("DELETE FROM users", Account.GONE),
    ],
)
def test_accounts(opened, execute, change, account):
    execute(change)
    assert ContactLists(opened, KIND).of(OWNER).account is account


def test_a_document_that_cannot_be_read_is_one(opened, execute):
    execute("INSERT INTO account_data VALUES (?, ?, ?)", OWNER, KIND, "[" * 100_000)
    assert ContactLists(opened, KIND).of(OWNER).stored == "unreadable"


def test_an_empty_document_is_none(opened, execute):
    """What Matrix leaves of a deleted one, and other products store for everybody."""
    execute("INSERT INTO account_data VALUES (?, ?, ?)", OWNER, KIND, "{}")
    assert ContactLists(opened, KIND).of(OWNER).stored is None


def test_what_is_left_is_what_another_run_would_do(notes, listed, execute):
    a, b, c = contact("a"), contact("b", end=NOW), contact("c", end=NOW - 1)
    listed(a, b, c)
    listed(a, owner="@gone:clinic.example")
    assert notes.left(NOW) == Left(2, 1, 0)
    notes.done(Plan(OWNER, {a: Outcome.MIGRATED, b: Outcome.LEFT_OUT, c: Outcome.EXPIRED}), None, NOW)
    assert notes.left(NOW) == Left()
    execute("UPDATE synapse_tim_contacts SET end_s = end_s + 5 WHERE contact = ?", b.mxid)
    assert notes.left(NOW).approvals == 1, "it has changed"
    execute("DELETE FROM synapse_tim_contacts WHERE owner = ?", OWNER)
    assert notes.left(NOW) == Left(0, 0, 1), "what was left out needs no withdrawal"
    notes.done(Plan(OWNER, {}), None, NOW)
    assert not notes.left(NOW)
    notes.remove_everything()
    assert notes.left(NOW) == Left()


def test_without_a_table_there_is_nothing(opened, notes):
    notes.remove_everything()
    assert not ContactLists(opened, KIND).exist
