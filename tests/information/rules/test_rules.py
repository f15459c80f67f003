"""Institution codes and insurers: R5.1 to R5.9, and whom a token in a header is."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synapse_tim.core.bearer import MAX_BYTES, bearer_token
from synapse_tim.federation.list import parse_payload
from synapse_tim.information import rules as information
from synapse_tim.information.rules import QueryError, ServiceInfo

PAYLOAD = b"""{"version": 1, "domainList": [
    {"domain": "Clinic.example", "telematikID": "1", "isInsurance": false},
    {"domain": "KK.example:8448", "telematikID": "2", "isInsurance": true, "ik": ["109500969"]}
]}"""
FEDERATION = parse_payload(PAYLOAD)


def test_r5_1_what_the_service_says_about_itself():
    assert ServiceInfo("t", None, None).document() == {"title": "t", "version": "1.0.0"}
    assert ServiceInfo("t", "d", "c").document() == {
        "title": "t",
        "description": "d",
        "contact": "c",
        "version": "1.0.0",
    }
    assert ServiceInfo().document().keys() == {"title", "description", "version"}


def test_r5_2_a_code_leads_to_a_server():
    code = information.institution_code({b"ikNumber": [b"109500969"]})
    assert information.server_of(code, FEDERATION) == "kk.example:8448"
    assert information.server_of("999999999", FEDERATION) is None


@pytest.mark.parametrize(
    ("written", "insurers"),
    [
        ("kk.example:8448", True),
        ("KK.EXAMPLE:8448", True),
        ("kk.example", False),
        ("clinic.example", False),
        ("nobody.example", False),
        ("[::1]", False),
        ("[2001:DB8::1]:8448", False),
    ],
)
def test_r5_3_r5_5_every_server_is_an_insurers_or_not(written, insurers):
    name = information.server_name({b"serverName": [written.encode()]})
    assert information.is_insurers(name, FEDERATION) is insurers


@pytest.mark.parametrize(
    "value",
    [b"", b"1", b"1095009690", b"10950096x", b" 09500969", b"109500969\n", b"\xff", "١٠٩٥٠٠٩٦٩".encode()],
)
def test_r5_9_a_code_has_nine_digits(value):
    with pytest.raises(QueryError, match="ikNumber"):
        information.institution_code({b"ikNumber": [value]})


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"a b",
        b"https://kk.example",
        b"kk.example:",
        b"kk.example\0",
        b"kk.example\n",
        b"\xff",
        b"[::1",
        b"[x]",
    ],
)
def test_r5_3_a_name_can_be_a_servers(value):
    with pytest.raises(QueryError, match="serverName"):
        information.server_name({b"serverName": [value]})


@pytest.mark.parametrize("values", [[], [b"109500969"] * 2])
def test_a_parameter_is_there_once(values):
    for read, name in ((information.institution_code, b"ikNumber"), (information.server_name, b"serverName")):
        with pytest.raises(QueryError, match="exactly once"):
            read({name: values})
        with pytest.raises(QueryError, match="exactly once"):
            read({})


@given(st.binary(max_size=300))
def test_no_query_ends_in_another_error(value):
    for read, name in ((information.institution_code, b"ikNumber"), (information.server_name, b"serverName")):
        with contextlib.suppress(QueryError):
            assert read({name: [value]}).isascii()


# Tokens ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "token"),
    [
        (b"Bearer abc", "abc"),
        (b"bearer abc", "abc"),
        (b"BEARER  a.b-c_d~e+f/g== ", "a.b-c_d~e+f/g=="),
        (b"Bearer", None),
        (b"Bearer ", None),
        (b"abc", None),
        (b"Basic abc", None),
        (b"Bearerabc", None),
        (b"Bearer a b", None),
        (b"Bearer a,b", None),
        (b"Bearer a\0", None),
        (b"Bearer a\n", None),
        (b"Bearer \xff", None),
        (b"Bearer =", None),
        (b"Bearer " + b"a" * MAX_BYTES, None),
    ],
)
def test_r5_6_the_token_of_a_header(header, token):
    assert bearer_token([header]) == token


def test_r5_6_there_is_one_header():
    assert bearer_token([]) is None
    assert bearer_token([b"Bearer a", b"Bearer a"]) is None
