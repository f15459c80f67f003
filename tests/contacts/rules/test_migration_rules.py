"""Approval lists that become permission configurations."""

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synapse_tim.contacts.migration_rules import (
    MEANING,
    Account,
    Limited,
    MigrationRules,
    Note,
    Outcome,
    UserList,
    digest,
    encoded,
    permission_document,
)
from synapse_tim.contacts.rules import Contact
from synapse_tim.core.products import Product
from synapse_tim.invites.permission_config import MAX_OCTETS, parse

NOW = 1_700_000_000
OWNER, SERVER = "@owner:clinic.example", "clinic.example"
RULES = MigrationRules(SERVER, Product.PRO)
ALLOW = attrs.evolve(RULES, limited=Limited.ALLOW)
LEAVE = attrs.evolve(RULES, limited=Limited.LEAVE_OUT)
OWN = {"defaultSetting": "allow all", "userExceptions": {"@b:practice.example": {}}}


def contact(name="a", start=NOW - 9, end=None):
    return Contact(name.upper(), f"@{name}:practice.example", start, end)


def user(*contacts, **changes):
    return attrs.evolve(UserList(OWNER, contacts), **changes)


def noted(outcome, *contacts):
    return {each.mxid: Note(each.start, each.end, outcome) for each in contacts}


def outcomes(plan):
    return [outcome.value for outcome in plan.outcomes.values()]


names = st.sampled_from("abcdef")
times = st.integers(NOW - 3, NOW + 3)
contacts = st.builds(
    lambda name, start, length: contact(name, start, None if length is None else start + length),
    names,
    times,
    st.none() | st.integers(0, 6),
)
lists = st.lists(contacts, unique_by=lambda each: each.mxid).map(tuple)


@given(lists)
def test_who_may_invite_before_may_invite_afterwards(approvals):
    """And nobody else but colleagues: exceptions invert the default."""
    plan = ALLOW.plan(user(*approvals), NOW)
    permitted = {each.mxid for each in approvals if each.permits(NOW)}
    assert plan.outcomes.keys() == set(approvals)
    if not permitted:
        assert plan.document is None, "the operator's default applies"
        return
    config = parse(plan.document, Product.PRO)
    for name in "abcdefg":
        inviter = f"@{name}:practice.example"
        for insured in (True, False):
            assert config.allows(inviter, inviter_is_insured=insured) is (inviter in permitted)
    assert config.allows("@colleague:clinic.example", inviter_is_insured=False)


@given(lists, st.sampled_from([ALLOW, LEAVE]))
def test_a_run_that_is_repeated_has_nothing_to_do(approvals, rules):
    first = rules.plan(user(*approvals), NOW)
    assert rules.plan(user(*approvals, stored=first.document), NOW).document is None
    again = user(*approvals, stored=first.document, written={digest(first.document)})
    second = rules.plan(again, NOW)
    assert second.document is None
    assert second.outcomes == first.outcomes


def test_the_document():
    plan = RULES.plan(user(contact("b"), contact("a")), NOW)
    assert plan.document == {
        "defaultSetting": "block all",
        "serverExceptions": {SERVER: {}},
        "userExceptions": {"@a:practice.example": {}, "@b:practice.example": {}},
    }
    assert outcomes(plan) == ["migrated", "migrated"]
    assert not plan.open


def test_what_has_expired_or_has_not_begun_is_not_migrated():
    plan = RULES.plan(user(contact("a"), contact("b", end=NOW - 1), contact("c", start=NOW + 1)), NOW)
    assert outcomes(plan) == ["migrated", "expired", "later"]
    assert list(plan.document["userExceptions"]) == ["@a:practice.example"]
    assert plan.open
    assert RULES.plan(user(contact("c", start=NOW + 1)), NOW).document is None


def test_the_operator_decides_about_approvals_with_an_end():
    limited, unlimited = contact("a", end=NOW), contact("b")
    plan = RULES.plan(user(limited, unlimited), NOW)
    assert (outcomes(plan), plan.open) == (["undecided", "migrated"], True)
    plan = ALLOW.plan(user(limited, unlimited), NOW)
    assert (outcomes(plan), plan.open) == (["migrated", "migrated"], False)
    plan = LEAVE.plan(user(limited, unlimited), NOW)
    assert (outcomes(plan), plan.open) == (["left out", "migrated"], False)
    assert list(plan.document["userExceptions"]) == [unlimited.mxid]
    assert LEAVE.plan(user(limited), NOW).document is None


@pytest.mark.parametrize("outcome", ["migrated", "left out"])
def test_what_was_decided_is_not_asked_again_until_it_changes(outcome):
    limited = contact(end=NOW + 5)
    assert outcomes(RULES.plan(user(limited, notes=noted(outcome, limited)), NOW)) == [outcome]
    changed = contact(end=NOW + 6)
    assert outcomes(RULES.plan(user(changed, notes=noted(outcome, limited)), NOW)) == ["undecided"]


@pytest.mark.parametrize("stored", [OWN, {}, {"defaultSetting": "maybe"}, [], "unreadable"])
def test_a_document_of_the_users_own_is_never_changed(stored):
    a, b = contact("a"), contact("b")
    plan = RULES.plan(user(a, b, stored=stored), NOW)
    assert plan.document is None
    assert plan.open
    assert outcomes(plan) == (["covered", "kept"] if stored is OWN else ["kept", "kept"])


def test_an_exception_for_a_group_counts_against_the_contact():
    """Nobody knows here who is insured."""
    stored = {"defaultSetting": "allow all", "groupExceptions": [{"groupName": "isInsuredPerson"}]}
    assert outcomes(RULES.plan(user(contact(), stored=stored), NOW)) == ["kept"]


def test_a_document_of_an_earlier_run_follows_the_list():
    a, b = contact("a"), contact("b")
    stored = permission_document(SERVER, [a])
    ours = {"stored": stored, "written": {digest(stored)}}
    assert list(RULES.plan(user(a, b, **ours), NOW).document["userExceptions"]) == [a.mxid, b.mxid]
    assert list(RULES.plan(user(b, **ours), NOW).document["userExceptions"]) == [b.mxid]
    assert RULES.plan(user(**ours), NOW).document["userExceptions"] == {}, "who was withdrawn stays out"


def test_what_a_user_has_changed_since_is_the_users_business():
    a, b = contact("a"), contact("b")
    written = permission_document(SERVER, [a, b])
    stored = {**written, "userExceptions": {b.mxid: {}}}
    known = user(a, b, stored=stored, written={digest(written)}, notes=noted("migrated", a, b))
    plan = RULES.plan(known, NOW)
    assert plan.document is None
    assert (outcomes(plan), plan.open) == (["migrated", "migrated"], False)
    new = attrs.evolve(known, contacts=(a, b, contact("c")))
    assert outcomes(RULES.plan(new, NOW)) == ["migrated", "migrated", "kept"]


def test_a_run_that_was_interrupted_knows_its_document_before_anything_was_noted():
    a, b = contact("a"), contact("b")
    stored = permission_document(SERVER, [a])
    interrupted = user(a, stored=stored, written={"another", digest(stored)})
    assert RULES.plan(interrupted, NOW).document is None
    grown = attrs.evolve(interrupted, contacts=(a, b))
    assert RULES.plan(grown, NOW).document == permission_document(SERVER, [a, b])


def test_accounts_that_are_gone_or_locked():
    plan = RULES.plan(user(contact(), contact("b", end=NOW - 1), account=Account.GONE), NOW)
    assert (plan.document, outcomes(plan), plan.open) == (None, ["no account", "expired"], False)
    plan = RULES.plan(user(contact(), account=Account.LOCKED), NOW)
    assert (plan.document, outcomes(plan), plan.open) == (None, ["locked"], True)


def test_users_can_be_skipped():
    rules = attrs.evolve(RULES, skipped=frozenset({OWNER}))
    plan = rules.plan(user(contact(), contact("b", start=NOW + 5), stored=OWN), NOW)
    assert (plan.document, outcomes(plan), plan.open) == (None, ["skipped", "skipped"], False)


def test_a_document_that_is_too_large_is_not_cut():
    most = [contact(f"{n:08}") for n in range(9000)]
    plan = RULES.plan(user(*most), NOW)
    assert plan.document is None
    assert plan.open
    assert set(plan.outcomes.values()) == {Outcome.TOO_LARGE}
    fitting = RULES.plan(user(*most[:5000]), NOW)
    assert len(encoded(fitting.document)) <= MAX_OCTETS


def test_a_document_that_could_not_be_written_is_open():
    plan = LEAVE.plan(user(contact(), contact("b", end=NOW)), NOW).failed()
    assert (outcomes(plan), plan.open) == (["failed", "left out"], True)


def test_digests_tell_documents_apart_whatever_is_in_them():
    deep = []
    for _ in range(100_000):
        deep = [deep]
    assert digest(deep) == ""
    assert digest({"a": 1, "b": "\ud800"}) == digest({"b": "\ud800", "a": 1})
    assert digest({"a": 1}) != digest({"a": 2})
    while deep:
        deep = deep[0]


def test_every_outcome_is_explained():
    assert MEANING.keys() == set(Outcome)
