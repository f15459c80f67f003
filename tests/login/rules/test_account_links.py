"""Linking accounts that exist: what a list may say, and what becomes of each account."""

import io

import pytest

from synapse_tim.admin.api import StoringError
from synapse_tim.login.account_links import Link, Linked, LinkListError, link_all, read_csv

SERVER = "clinic.example"
A, B, C, D, E = (f"@{name}:{SERVER}" for name in "abcde")


def links(text, provider="idp"):
    return read_csv(io.StringIO(text), provider, SERVER)


def test_a_list_names_users_and_subjects():
    assert links(f"user_id,external_id\n{A}, 1 \n{B},2\n") == [Link(A, "idp", "1"), Link(B, "idp", "2")]
    text = f"external_id,provider,user_id,more\n1,other,{A},x\n1,,{B},x\n"
    assert links(text) == [Link(A, "other", "1"), Link(B, "idp", "1")]


@pytest.mark.parametrize(
    ("text", "provider", "why"),
    [
        ("", "idp", "expected the columns external_id, user_id"),
        (f"{A},1\n", "idp", "expected the columns external_id, user_id"),
        (f"user_id,external_id\n{A},1\n", None, "expected the columns external_id, provider, user_id"),
        (f"user_id,external_id\n{A},\n", "idp", "line 2: a value is missing"),
        (f"user_id,external_id\n{A}\n", "idp", "line 2: a value is missing"),
        (f"user_id,external_id,provider\n{A},1,\n", None, "line 2: a value is missing"),
        ("user_id,external_id\n@a:x.example,1\n", "idp", f"line 2: expected a user id of {SERVER}"),
        ("user_id,external_id\na,1\n", "idp", f"line 2: expected a user id of {SERVER}"),
        (f"user_id,external_id\n{A},1\n{B},1\n", "idp", "entry 2: this account or this person"),
        (f"user_id,external_id\n{A},1\n{A},2\n", "idp", "entry 2: this account or this person"),
    ],
)
def test_a_list_that_is_not_clear_is_refused(text, provider, why):
    with pytest.raises(LinkListError, match=why):
        links(text, provider)


class Admin:
    def __init__(self, known):
        self.known = known

    def links(self, user_id):
        if user_id == D:
            raise StoringError("status 500")
        return self.known.get(user_id)

    def linked_to(self, provider, external_id):
        return next((user for user, has in self.known.items() if (provider, external_id) in has), None)

    def link(self, user_id, provider, external_id):
        self.known[user_id] = [(provider, external_id)]


def test_nobody_loses_a_link_and_a_second_run_has_nothing_to_do():
    admin = Admin({A: [], B: [("idp", "b")], C: [("other", "c")], E: []})
    wanted = [
        Link(A, "idp", "a"),
        Link(B, "idp", "b"),
        Link(C, "idp", "c"),
        Link(D, "idp", "d"),
        Link(E, "idp", "b"),
        Link(f"@nobody:{SERVER}", "idp", "n"),
    ]

    def outcomes(**options):
        return [outcome for _, outcome in link_all(admin, wanted, **options)]

    rest = [Linked.ALREADY, Linked.OTHER, Linked.FAILED, Linked.TAKEN, Linked.NO_ACCOUNT]
    assert outcomes(dry_run=True) == [Linked.LINKED, *rest]
    assert admin.known[A] == []
    assert outcomes(dry_run=False) == [Linked.LINKED, *rest]
    assert outcomes(dry_run=False) == [Linked.ALREADY, *rest]
    assert admin.known == {A: [("idp", "a")], B: [("idp", "b")], C: [("other", "c")], E: []}
