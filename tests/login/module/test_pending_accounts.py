"""The table of accounts that are being made: whose a name is, and what is forgotten when."""

import datetime as dt

import pytest

from synapse_tim.login.pending_accounts import Name, NewAccounts

NOW = dt.datetime(2026, 6, 1, 12, 0, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
USER = "@dora:hospital.example"
PERSON, OTHER = ("idp", "dora"), ("idp", "eve")


@pytest.fixture
def accounts(api, run, database):
    database.execute("CREATE TABLE users (name TEXT PRIMARY KEY, password_hash TEXT)")
    database.execute("CREATE TABLE user_external_ids (auth_provider TEXT, external_id TEXT, user_id TEXT)")
    accounts = NewAccounts(api)
    run(accounts.create_tables())
    run(accounts.create_tables())
    return accounts


@pytest.fixture
def register(database):
    def register(password_hash=None, name=USER):
        database.execute("INSERT INTO users VALUES (?, ?)", (name, password_hash))

    return register


@pytest.fixture
def link(database):
    def link(provider, subject):
        database.execute("INSERT INTO user_external_ids VALUES (?, ?, ?)", (provider, subject, USER))

    return link


def looked_up(accounts, run):
    return [run(accounts.look_up(USER, *person)) for person in (PERSON, OTHER)]


def hashes(database):
    return [row[0] for row in database.execute("SELECT password_hash FROM users")]


def notes(database):
    return database.execute("SELECT COUNT(*) FROM synapse_tim_new_account").fetchone()[0]


def test_an_account_with_the_mark_is_its_persons_until_it_is_linked(accounts, run, register, link, database):
    assert looked_up(accounts, run) == [Name.FREE, Name.FREE]
    begun = run(accounts.begin(USER, *PERSON, NOW))
    assert not begun.exists
    assert run(accounts.begin(USER, *PERSON, NOW)) == begun  # the same for all who make it at once
    assert looked_up(accounts, run) == [Name.FREE, Name.FREE]
    register(begun.mark)
    assert looked_up(accounts, run) == [Name.THEIRS, Name.TAKEN]
    assert run(accounts.begin(USER, *PERSON, NOW)).exists
    assert run(accounts.begin(USER, *OTHER, NOW)) is None
    link(*PERSON)
    assert looked_up(accounts, run) == [Name.TAKEN, Name.TAKEN]
    assert run(accounts.begin(USER, *PERSON, NOW)) is None
    assert run(accounts.linked_to(*PERSON)) == USER
    assert run(accounts.linked_to(*OTHER)) is None
    run(accounts.finish(begun))
    assert hashes(database) == [None]
    assert notes(database) == 0


@pytest.mark.parametrize("password_hash", [None, "", "$2b$12$another"])
def test_an_account_of_somebody_else_is_taken(accounts, run, register, password_hash):
    run(accounts.begin(USER, *PERSON, NOW))
    register(password_hash)
    assert looked_up(accounts, run) == [Name.TAKEN, Name.TAKEN]
    assert run(accounts.begin(USER, *PERSON, NOW)) is None


def test_two_persons_have_marks_of_their_own(accounts, run, register):
    marks = [run(accounts.begin(USER, *person, NOW)).mark for person in (PERSON, OTHER)]
    assert marks[0] != marks[1]
    register(marks[1])
    assert looked_up(accounts, run) == [Name.TAKEN, Name.THEIRS]


def test_a_name_in_other_letters_is_taken(accounts, run, register):
    register(name="@Dora:hospital.example")
    assert looked_up(accounts, run) == [Name.TAKEN, Name.TAKEN]


@pytest.mark.parametrize("made", [True, False])
def test_only_what_nobody_has_made_is_forgotten(accounts, run, register, database, made):
    begun = run(accounts.begin(USER, *PERSON, NOW))
    if made:
        register(begun.mark)
    run(accounts.tidy(NOW + DAY))
    assert notes(database) == 1
    run(accounts.tidy(NOW + DAY + dt.timedelta(seconds=1)))
    assert notes(database) == (1 if made else 0)
    assert hashes(database) == ([begun.mark] if made else [])


def test_what_is_linked_is_finished(accounts, run, register, link, database):
    register(run(accounts.begin(USER, *PERSON, NOW)).mark)
    link("idp", "whoever an administrator has linked")
    run(accounts.tidy(NOW))
    assert (notes(database), hashes(database)) == (0, [None])


def test_a_password_that_was_set_meanwhile_stays(accounts, run, register, database):
    begun = run(accounts.begin(USER, *PERSON, NOW))
    register("a password")
    run(accounts.finish(begun))
    assert hashes(database) == ["a password"]
