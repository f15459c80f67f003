"""R6.5: what the directory says about a user, and the two spellings of a user id."""

import json
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synapse_tim.directory.owner_types import (
    OwnerType,
    OwnerTypeError,
    read_owner_type,
    spellings,
    uri_of,
    user_id_of,
)

ALL = list(OwnerType)
LOCALPARTS = st.text(
    st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters=":"), min_size=1, max_size=60
)
SERVERS = st.from_regex(
    r"[a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?(\.[a-z]{2,8}){0,2}(:[0-9]{1,5})?", fullmatch=True
)
USER_IDS = st.builds("@{}:{}".format, LOCALPARTS, SERVERS)


# What somebody is


@pytest.mark.parametrize("found", ALL)
@pytest.mark.parametrize("other", ALL)
def test_two_spellings_together_are_what_either_of_them_is(found, other):
    both = found.combined(other)
    assert both is other.combined(found)
    assert both.is_organisation == (found.is_organisation or other.is_organisation)
    assert both.is_practitioner == (found.is_practitioner or other.is_practitioner)


def test_one_of_each_is_both():
    assert OwnerType.ORG.combined(OwnerType.PRACT) is OwnerType.ORG_PRACT
    assert OwnerType.NONE.combined(OwnerType.NONE) is OwnerType.NONE


# The answer


@pytest.mark.parametrize("found", ALL)
def test_the_four_answers_are_read(found):
    assert read_owner_type(json.dumps(found.value).encode()) is found
    assert read_owner_type(bytearray(f' "{found.value}"\r\n', "utf-8")) is found


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"org",
        b'"ORG"',
        b'"org "',
        b'"organisation"',
        b'["org"]',
        b'{"org": "org"}',
        b"null",
        b"0",
        b"false",
        b'""',
        b'"org" "pract"',
        b'"org',
        b'"\xff"',
        b'"\\ud800"',
        b'\xef\xbb\xbf"org"',
        b'"org\\u0000"',
        b"[" * 1000,
        b"NaN",
        b'"none"' + b" " * 2000,
    ],
)
def test_whatever_else_is_an_error_and_never_none(answer):
    with pytest.raises(OwnerTypeError):
        read_owner_type(answer)


@given(st.binary(max_size=40))
def test_no_octets_are_read_as_anything_but_the_four(answer):
    try:
        found = read_owner_type(answer)
    except OwnerTypeError:
        return
    assert json.loads(answer) == found.value


# Spellings


@given(USER_IDS)
def test_all_spellings_are_of_the_same_user(user_id):
    uri, plain, *_ = spellings(user_id)
    assert uri == uri_of(user_id)
    assert plain == user_id
    assert {user_id_of(each) for each in spellings(user_id)} == {user_id}


def test_most_users_have_two_spellings():
    assert len(spellings("@a.b_c-d:hospital.example")) == 2
    assert spellings("@a=b:hospital.example")[2:] == ("matrix:u/a%3Db:hospital.example",)


@given(USER_IDS, USER_IDS)
def test_different_users_have_different_uris(one, other):
    assert (uri_of(one) == uri_of(other)) == (one == other)


@given(USER_IDS)
def test_a_uri_has_only_characters_that_may_stand_there(user_id):
    localpart = uri_of(user_id).removeprefix("matrix:u/").partition(":")[0]
    assert quote(localpart, safe="!$&'()*+,;=@%") == localpart


def test_a_slash_is_written_as_a_uri_demands():
    assert uri_of("@a/b+c=d:hospital.example:8448") == "matrix:u/a%2Fb+c=d:hospital.example:8448"


@given(USER_IDS)
def test_more_encoding_than_needed_is_the_same_user(user_id):
    localpart, _, server = user_id[1:].partition(":")
    encoded = "".join(f"%{ord(each):02x}" for each in localpart)
    assert user_id_of(f"MATRIX:u/{encoded}:{server.upper()}") == user_id


@pytest.mark.parametrize(
    "address",
    [
        "",
        "@",
        "@:hospital.example",
        "@a",
        "@a:",
        "a:hospital.example",
        "#a:hospital.example",
        "@a:hospital.example.",
        "@a:hospital.example/evil",
        "@a:hospital.example evil",
        "@a b:hospital.example",
        "@ä:hospital.example",
        "@a:hospital.\u212aample",  # the Kelvin sign, whose lower case is k
        "@a\x00:hospital.example",
        "@a:[::1]",
        "@" + "a" * 300 + ":hospital.example",
        "matrix:u/",
        "matrix:u/a",
        "matrix:r/a:hospital.example",
        "matrix:u/@",
        "matrix:u/a:hospital.example?action=chat",
        "matrix:u/a:hospital.example#x",
        "matrix:u/a/b:hospital.example",
        "matrix:u/a%3Ab:hospital.example",
        "matrix:u/a%00:hospital.example",
        "matrix:u/a%:hospital.example",
        "matrix:u/a%zz:hospital.example",
        "matrix:u/%ff:hospital.example",
        "matrix:u/a%20b:hospital.example",
        "https://hospital.example/",
        "mailto:a@hospital.example",
        "@a:hospital.example\n",
        "\ud800",
    ],
)
def test_what_is_no_user_is_none(address):
    assert user_id_of(address) is None


def test_the_localpart_is_exact_and_the_server_name_is_not():
    assert user_id_of("@Alice:Hospital.Example:8448") == "@Alice:hospital.example:8448"
    assert user_id_of("@alice:hospital.example") != user_id_of("@alice:hospital.example:8448")
