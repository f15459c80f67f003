"""The table of contacts."""

import pytest

from synapse_tim.adapter import database as database_tables
from synapse_tim.contacts.rules import Contact
from synapse_tim.contacts.store import ContactStore, Put

OWNER, OTHER = "@owner:clinic.example", "@other:clinic.example"
NOW = 1_700_000_000


def contact(name="a", start=NOW, end=None):
    return Contact(name.upper(), f"@{name}:practice.example", start, end)


@pytest.fixture
def store(api, run):
    store = ContactStore(api, postgresql=False, max_contacts=3)
    run(store.create_tables())
    run(store.create_tables())
    return store


def rows(database):
    return database.execute("SELECT owner, contact FROM synapse_tim_contacts ORDER BY 1, 2").fetchall()


def test_everybody_has_a_list_of_their_own(store, run):
    for owner, name in ((OWNER, "b"), (OWNER, "a"), (OTHER, "c")):
        assert run(store.put(owner, contact(name), NOW)) is Put.STORED
    assert run(store.contacts_of(OWNER, NOW)) == [contact("a"), contact("b")]
    assert run(store.contact_of(OTHER, contact("c").mxid, NOW)) == contact("c")
    assert run(store.contact_of(OTHER, contact("a").mxid, NOW)) is None


def test_a_contact_takes_the_place_of_its_predecessor(store, run):
    run(store.put(OWNER, contact(), NOW))
    changed = Contact("New", contact().mxid, NOW + 5, NOW + 9)
    assert run(store.put(OWNER, changed, NOW)) is Put.STORED
    assert run(store.contacts_of(OWNER, NOW)) == [changed]


def test_only_what_is_there_is_replaced(store, run, database):
    assert run(store.put(OWNER, contact(), NOW, only_if_there=True)) is Put.UNKNOWN
    run(store.put(OTHER, contact(), NOW))
    run(store.put(OWNER, contact(end=NOW), NOW))
    assert run(store.put(OWNER, contact(), NOW + 1, only_if_there=True)) is Put.UNKNOWN
    assert run(store.put(OWNER, contact(end=NOW + 1), NOW, only_if_there=True)) is Put.STORED
    assert run(store.contact_of(OWNER, contact().mxid, NOW)).end == NOW + 1
    assert len(rows(database)) == 2


def test_there_is_a_limit_for_new_ones(store, run):
    for name in "abc":
        assert run(store.put(OWNER, contact(name), NOW)) is Put.STORED
    assert run(store.put(OWNER, contact("d"), NOW)) is Put.TOO_MANY
    assert run(store.put(OWNER, contact("a", end=NOW + 5), NOW)) is Put.STORED
    assert run(store.put(OTHER, contact("d"), NOW)) is Put.STORED
    assert run(store.put(OWNER, contact("d"), NOW + 6)) is Put.STORED, "one has expired"
    assert run(store.delete(OWNER, contact("b").mxid, NOW + 6))
    assert run(store.put(OWNER, contact("e"), NOW + 6)) is Put.STORED


def test_what_has_expired_is_not_there(store, run, database):
    run(store.put(OWNER, contact(end=NOW), NOW))
    assert run(store.contacts_of(OWNER, NOW)) == [contact(end=NOW)]
    assert run(store.contacts_of(OWNER, NOW + 1)) == []
    assert run(store.contact_of(OWNER, contact().mxid, NOW + 1)) is None
    assert len(rows(database)) == 1
    assert run(store.delete(OWNER, contact().mxid, NOW + 1)) is False
    assert rows(database) == []


def test_putting_one_that_has_expired_takes_the_contact_away(store, run, database):
    run(store.put(OWNER, contact(), NOW - 9))
    assert run(store.put(OWNER, contact(start=NOW - 9, end=NOW - 1), NOW)) is Put.STORED
    assert rows(database) == []
    assert run(store.put(OWNER, contact(end=NOW), NOW + 1)) is Put.STORED
    assert rows(database) == [], "and leaves nothing behind that nobody counts"


def test_expired_ones_are_removed(store, run, database):
    run(store.put(OWNER, contact("a", end=NOW), NOW))
    run(store.put(OWNER, contact("b", end=NOW + 1), NOW))
    run(store.put(OTHER, contact("c"), NOW))
    run(store.remove_expired(NOW + 1))
    assert [row[1] for row in rows(database)] == [contact("c").mxid, contact("b").mxid]


def test_a_list_goes_with_its_owner(store, run, database):
    for owner in (OWNER, OTHER):
        run(store.put(owner, contact(), NOW))
    run(store.remove_of(OWNER))
    assert rows(database) == [(OTHER, contact().mxid)]
    database.execute("CREATE TABLE users (name TEXT, deactivated SMALLINT)")
    database.execute("INSERT INTO users VALUES (?, 0), (?, 1)", (OWNER, OTHER))
    run(store.put(OWNER, contact(), NOW))
    run(store.remove_of_deactivated())
    assert rows(database) == [(OWNER, contact().mxid)]


@pytest.mark.parametrize("postgresql", [False, True])
def test_on_postgresql_whoever_writes_waits_for_the_others(api, run, monkeypatch, postgresql):
    locked = []
    monkeypatch.setattr(database_tables, "lock_table", lambda txn, table: locked.append(table))
    store = ContactStore(api, postgresql=postgresql, max_contacts=3)
    run(store.create_tables())
    run(store.put(OWNER, contact(), NOW))
    run(store.delete(OWNER, contact().mxid, NOW))
    run(store.remove_expired(NOW))
    run(store.remove_of(OWNER))
    run(store.contacts_of(OWNER, NOW))
    assert locked == ["synapse_tim_contacts"] * 4 * postgresql
