"""The contacts of the legacy generation: TiMessengerContactManagement 1.0.3."""

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synapse_tim.contacts.rules import (
    LATEST,
    MAX_NAME,
    MAX_OCTETS,
    Contact,
    ContactError,
    is_user_id,
    parse_contact,
)
from synapse_tim.core.create_room import is_user_id as is_invitee
from synapse_tim.core.products import Product
from synapse_tim.core.text import is_storable
from synapse_tim.invites.permission_config import parse as parse_permissions

NOW = 1_700_000_000
MXID = "@erika:practice.example"

seconds = st.integers(0, LATEST)
names = st.text(max_size=MAX_NAME).filter(is_storable)
contacts = st.builds(
    lambda name, times: Contact(name, MXID, min(times), max(times) if len(times) > 1 else None),
    names,
    st.lists(seconds, min_size=1, max_size=2),
)
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


def document(settings=None, **changes):
    """A contact as a client sends it; ``...`` takes a member out."""
    members = {"displayName": "Erika", "mxid": MXID, "inviteSettings": settings or {"start": NOW}, **changes}
    return {name: value for name, value in members.items() if value is not ...}


def fault(value):
    with pytest.raises(ContactError) as caught:
        Contact.from_json(value)
    return str(caught.value)


@given(contacts)
def test_a_contact_is_read_as_it_was_written(contact):
    assert Contact.from_json(contact.document()) == contact
    assert parse_contact(json.dumps(contact.document()).encode()) == contact


def test_an_end_that_is_not_there_is_not_written():
    assert Contact("Erika", MXID, NOW).document() == document()
    assert Contact("", MXID, 0, 0).document()["inviteSettings"] == {"start": 0, "end": 0}


def test_members_that_the_interface_does_not_know_are_ignored():
    settings = {"start": NOW, "end": NOW, "more": "\ud800"}
    assert Contact.from_json(document(settings, more=[1])) == Contact("Erika", MXID, NOW, NOW)


@given(contacts, seconds)
def test_af_10061_01_a_contact_may_invite_from_its_start_to_its_end(contact, now):
    inside = contact.start <= now and (contact.end is None or now <= contact.end)
    assert contact.permits(now) is inside
    assert not (contact.is_expired(now) and contact.permits(now))


@given(contacts, seconds, seconds)
def test_what_has_expired_never_comes_back(contact, now, later):
    if contact.is_expired(now):
        assert not contact.permits(now + later)


def test_af_10061_01_both_ends_of_the_window_belong_to_it():
    contact = Contact("Erika", MXID, NOW, NOW + 10)
    assert [contact.permits(NOW + each) for each in (-1, 0, 10, 11)] == [False, True, True, False]
    assert [contact.is_expired(NOW + each) for each in (-1, 0, 10, 11)] == [False, False, False, True]


@pytest.mark.parametrize("member", ["start", "end"])
@pytest.mark.parametrize("value", [True, False, 1.0, "1654159585", None, [], {}])
def test_times_are_integers(member, value):
    settings = {"start": NOW, "end": NOW, member: value}
    assert fault(document(settings)) == f"inviteSettings.{member}: expected an integer, seconds since 1970"


@pytest.mark.parametrize("member", ["start", "end"])
def test_milliseconds_are_refused_with_a_hint(member):
    said = fault(document({"start": NOW, member: NOW * 1000}))
    assert said.startswith(f"inviteSettings.{member}: expected seconds")
    assert said.endswith("these look like milliseconds")
    assert "milliseconds" not in fault(document({"start": NOW, member: -1}))


@given(seconds, seconds)
def test_the_end_is_not_before_the_start(start, end):
    if end < start:
        said = fault(document({"start": start, "end": end}))
        assert said == "inviteSettings.end: expected a time that is not before the start"
    else:
        assert Contact.from_json(document({"start": start, "end": end})).end == end


@pytest.mark.parametrize("value", [..., None, 1, True, [], "x" * (MAX_NAME + 1), "a\0b", "\ud800"])
def test_a_display_name_is_a_text_that_can_be_stored(value):
    assert fault(document(displayName=value)).startswith("displayName: expected a text")


@pytest.mark.parametrize(
    "value",
    [
        ...,
        None,
        1,
        [],
        "",
        "erika",
        "@erika",
        "@:practice.example",
        "@erika:",
        "erika:practice.example",
        "@er ika:practice.example",
        "@erika:practice.example\n",
        "@erika\n:practice.example",
        "@erika\0:practice.example",
        "@\ud800:practice.example",
        "@érika:practice.example",
        "@erika:practice_example",
        "@erika:practice.example:port",
        "@erika:practice.example/x",
        "@erika:-practice.example",
        "@" + "e" * 250 + ":a.example",
    ],
)
def test_a_contact_is_a_user_id(value):
    assert fault(document(mxid=value)) == "mxid: expected a user id such as @user:example.de"


@pytest.mark.parametrize(
    "value",
    [
        "@a/b=c+d.e-f_g:practice.example:8448",
        "@Erika:practice.example",
        "@!#$%&'*?^`{|}~,;<>\"\\()[]:192.0.2.1",
        "@a:[2001:db8::1]:8448",
        "@" + "e" * 244 + ":a.example",
    ],
)
def test_user_ids_of_former_times_are_taken(value):
    assert Contact.from_json(document(mxid=value)).mxid == value


def test_the_server_name_is_in_lower_case_as_that_of_every_inviter():
    assert Contact.from_json(document(mxid="@Erika:Practice.Example")).mxid == "@Erika:practice.example"


@given(st.text() | st.from_regex(r"@[^:]*:[a-zA-Z0-9.:-]*", fullmatch=True))
def test_every_contact_can_be_an_invitee_and_an_exception(text):
    """Otherwise a list could not become a permission configuration later."""
    if is_user_id(text):
        assert is_invitee(text)
        parse_permissions({"defaultSetting": "block all", "userExceptions": {text: {}}}, Product.PRO)


@pytest.mark.parametrize("value", [..., None, 1, "x", []])
def test_there_are_settings(value):
    assert fault(document(inviteSettings=value)) == "inviteSettings: expected an object"
    assert fault(document({"end": NOW})).startswith("inviteSettings.start: ")


@given(anything)
def test_whatever_a_client_sends_is_a_contact_or_an_error(value):
    for each in (value, document(value), document(inviteSettings={"start": value}), document(mxid=value)):
        with contextlib.suppress(ContactError):
            contact = Contact.from_json(each)
            assert Contact.from_json(contact.document()) == contact


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"null",
        b"{",
        b"\xff\xfe",
        b"[" * 60_000,
        b'{"displayName": NaN}',
        json.dumps(document()).encode().replace(b'"start"', b'"start": 1, "start"'),
        json.dumps(document()).encode().replace(b'"mxid"', b'"mxid": "@a:b.example", "mxid"'),
        json.dumps(document()).encode().replace(str(NOW).encode(), b"1" * 5000),
        json.dumps(document(more="x" * MAX_OCTETS)).encode(),
    ],
)
def test_a_body_that_two_could_read_differently_is_refused(body):
    with pytest.raises(ContactError):
        parse_contact(body)


def test_an_error_does_not_repeat_what_was_sent():
    for wrong in (document(mxid="secret"), document(displayName="secret\0"), document({"start": "secret"})):
        assert "secret" not in fault(wrong)
    assert "secret" not in repr(Contact("secret", "@secret:a.example", 1))
