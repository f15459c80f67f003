"""R4.5, R4.15: localparts and display names out of claims."""

import hashlib
import hmac
import re
import string
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from synapse_tim.login.rules.account_naming import KeyedHash, Template, display_name, localpart
from synapse_tim.login.rules.claims import INSURED
from synapse_tim.login.rules.refusals import TokenRefusal, TokenRefusedError

SERVER = "hospital.example"
KEY = bytes(range(32))
URN = "urn:telematik:claims:"
DOCTOR, PARAMEDIC, MIDWIFE, HOSPITAL = (f"1.2.276.0.76.4.{number}" for number in (30, 178, 232, 53))


def refused(reason):
    return pytest.raises(TokenRefusedError, match=rf"^{reason.value}(:|$)")


def made(value, pattern="{id}", server=SERVER):
    return localpart(Template(pattern), {"id": value}, server)


# Templates ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "fields"),
    [
        ("{id}", ("id",)),
        ("{a}-{b}{a}", ("a", "b", "a")),
        (f"{{{URN}id}}", (f"{URN}id",)),
        ("x{https://idp.example/claim}", ("https://idp.example/claim",)),
        ("{a b}", ("a b",)),
    ],
)
def test_a_template_names_claims_in_braces(pattern, fields):
    assert Template(pattern).fields == fields


@pytest.mark.parametrize(
    "pattern", ["", "id", "{}", "{", "}", "{id", "id}", "{{id}}", "{id}{", "}{id}", "{a{b}", "{a}}", "{a}{}"]
)
def test_a_template_without_a_claim_or_with_a_brace_left_over_is_refused(pattern):
    with pytest.raises(ValueError, match="expected a text with at least one claim in braces"):
        Template(pattern)


def test_claims_are_put_in_as_they_are_and_once():
    assert Template("{a}-{b}")({"a": "{b}", "b": "x"}) == "{b}-x"
    assert Template("{a}")({"a": r"\g<0>\1"}) == r"\g<0>\1"
    assert Template("%s{a}")({"a": "{0.__class__}"}) == "%s{0.__class__}"


@pytest.mark.parametrize("value", [None, "", 1, True, ["a"], {"a": 1}, "a\0", "\ud800", "x" * 1001], ids=repr)
def test_a_claim_that_is_missing_or_no_text_makes_no_localpart(value):
    for rule in (Template("x{id}"), KeyedHash(("id",), KEY)):
        with pytest.raises(TokenRefusedError) as caught:
            localpart(rule, {"id": value}, SERVER)
        assert caught.value.reason in (TokenRefusal.CLAIM_MISSING, TokenRefusal.CLAIMS_MALFORMED)
    with refused(TokenRefusal.CLAIM_MISSING):
        localpart(Template("{other}"), {"id": "a"}, SERVER)


# Localparts -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("1-HBA-TEST-0001", "1-hba-test-0001"),
        ("1-1.58.00000040", "1-1.58.00000040"),
        ("X000000012", "x000000012"),
        ("a_b", "a_b"),
        ("a=b/c+d", "a=b/c+d"),
        ("a", "a"),
        ("1a", "1a"),
        ("1.2", "1.2"),
    ],
)
def test_a_localpart_is_lower_case(value, expected):
    assert made(value) == expected


@pytest.mark.parametrize(
    "value",
    [
        "@eve:evil.test",
        "@eve",
        "eve:evil.test",
        "eve:hospital.example",
        ":",
        "a b",
        " a",
        "a\n",
        "a\t",
        "a\x7f",
        "a#b",
        "a!b",
        "a,b",
        "a%40b",
        "ä",
        "straße",
        "а",  # Cyrillic
        "ａ",
        "a\u200b",
        "a\u202e",
        "a\u0301",
        "e\u0131",
        "\u0130",
        "１",
        "٣",
    ],
    ids=lambda value: value.encode("unicode_escape").decode(),
)
def test_characters_that_matrix_does_not_allow_are_refused(value):
    with refused(TokenRefusal.LOCALPART):
        made(value)


def test_a_sign_that_is_k_in_lower_case_only_is_refused():
    """The Kelvin sign: somebody else's localpart would be made of it."""
    with refused(TokenRefusal.LOCALPART):
        made("\u212aevin")


@pytest.mark.parametrize("value", ["_", "_a", "_irc_somebody"])
def test_localparts_of_application_services_are_refused(value):
    with refused(TokenRefusal.LOCALPART):
        made(value)
    assert made(value, "x{id}") == f"x{value}"


@pytest.mark.parametrize("value", ["0", "1", "109500969"])
def test_localparts_of_guests_are_refused(value):
    with refused(TokenRefusal.LOCALPART):
        made(value)
    assert made(value, "ik-{id}") == f"ik-{value}"


def test_a_user_id_has_255_characters_at_most():
    longest = 255 - len(f"@:{SERVER}")
    assert made("x" * longest) == "x" * longest
    with refused(TokenRefusal.LOCALPART):
        made("x" * (longest + 1))
    with refused(TokenRefusal.LOCALPART):
        made("x" * longest, server=SERVER + "e")


def test_refusals_say_nothing_about_the_person():
    for value in ("secret name", "secret" * 100):
        with pytest.raises(TokenRefusedError) as caught:
            made(value)
        assert "secret" not in str(caught.value)


ANY = st.text(max_size=40) | st.text(string.ascii_letters + string.digits + "._=/+-@:", max_size=300)


@given(ANY, ANY, st.sampled_from(["{a}", "{a}{b}", "x-{a}", "{b}.{a}", "{a}:x"]))
@example("\u212a", "", "{a}")
@example("\u017f", "", "{a}")
def test_a_localpart_is_refused_or_one_of_matrix(a, b, pattern):
    claims = {"a": a, "b": b}
    try:
        name = localpart(Template(pattern), claims, SERVER)
    except TokenRefusedError:
        return
    assert re.fullmatch(r"[a-z0-9.=/+-][a-z0-9._=/+-]*", name)
    assert not name.isdigit()
    assert len(f"@{name}:{SERVER}") <= 255
    assert name == localpart(Template(pattern), claims, SERVER) == Template(pattern)(claims).lower()


# Keyed hashes ---------------------------------------------------------------------------------------------


def test_a_keyed_hash_is_hmac_over_the_claims():
    rule = KeyedHash(("a", "b"), KEY)
    expected = hmac.new(KEY, b"x\0\xc3\xa4", hashlib.sha256).hexdigest()
    assert localpart(rule, {"a": "x", "b": "ä", "c": "y"}, SERVER) == expected
    assert localpart(rule, {"b": "ä", "a": "x"}, SERVER) == expected
    assert "key" not in repr(rule)


def test_order_boundaries_case_and_key_matter():
    hashes = {
        KeyedHash(("a", "b"), KEY)({"a": "a", "b": "bc"}),
        KeyedHash(("a", "b"), KEY)({"a": "ab", "b": "c"}),
        KeyedHash(("a", "b"), KEY)({"a": "bc", "b": "a"}),
        KeyedHash(("b", "a"), KEY)({"a": "ab", "b": "c"}),
        KeyedHash(("a",), KEY)({"a": "abc"}),
        KeyedHash(("a",), KEY)({"a": "ABC"}),
        KeyedHash(("a",), KEY[::-1])({"a": "abc"}),
    }
    assert len(hashes) == 7


@given(*[st.text(min_size=1, max_size=8)] * 4)
def test_other_claims_have_another_hash(a, b, c, d):
    rule = KeyedHash(("a", "b"), KEY)
    try:
        same = rule({"a": a, "b": b}) == rule({"a": c, "b": d})
    except TokenRefusedError:
        return
    assert same is ((a, b) == (c, d))


# Display names --------------------------------------------------------------------------------------------


def person(**members):
    return {"family_name": "Doktor", "given_name": "Dorothea", **members}


def test_a_person_is_called_by_family_name_first():
    assert display_name(person(), None) == "Doktor, Dorothea"
    assert (
        display_name({f"{URN}{name}": value for name, value in person().items()}, None) == "Doktor, Dorothea"
    )


@pytest.mark.parametrize("profession", [..., DOCTOR, PARAMEDIC, MIDWIFE, 1, None])
def test_the_card_of_a_person_names_the_person(profession):
    claims = person(organizationName="Klinik")
    if profession is not ...:
        claims["professionOID"] = profession
    assert display_name(claims, None) == "Doktor, Dorothea"


def test_the_card_of_an_organisation_names_the_organisation():
    claims = person(organizationName="Klinik", professionOID=HOSPITAL)
    assert display_name(claims, None) == "Klinik"
    assert display_name(claims | {"organizationName": None}, None) == "Doktor, Dorothea"


def test_an_insured_person_is_not_called_by_the_name_of_the_insurer():
    claims = person(organizationName="Krankenkasse", professionOID=INSURED)
    assert display_name(claims, None) == "Doktor, Dorothea"


def test_who_has_no_personal_name_is_called_as_the_organisation():
    for missing in (
        {},
        {"family_name": None, "given_name": None},
        {"family_name": "Doktor"},
        {"given_name": ""},
    ):
        assert (
            display_name({"organizationName": "Klinik", "professionOID": DOCTOR, **missing}, None) == "Klinik"
        )
    assert display_name({}, None) is None
    assert display_name({"family_name": None, "organizationName": 1}, None) is None


def test_the_operators_templates_come_in_their_order():
    templates = (Template("{title} {family_name}"), Template("{family_name}"))
    assert display_name(person(title="Dr."), templates) == "Dr. Doktor"
    assert display_name(person(), templates) == "Doktor"
    assert display_name({"organizationName": "Klinik"}, templates) is None
    assert display_name(person(), ()) is None


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("a\nb", "a b"),
        ("a\r\n\tb", "a b"),
        ("a\u2028b\u2029c\x85d", "a b c d"),
        ("  a   b  ", "a b"),
        ("a\u00a0b", "a b"),
        ("a\x07\x1bb", "ab"),
        ("a\u202eb\u2066c\u200fd", "abcd"),
        ("a\u200b\u200d\ufeffb", "ab"),
        ("a\ue000\U000e0041b", "ab"),
        ("e\u0301", "é"),
        ("Müller-Lüdenscheidt", "Müller-Lüdenscheidt"),
        ("أحمد", "أحمد"),
        ("\u200b", None),
        (" \n ", None),
        ("\u202e\x00", None),
    ],
    ids=lambda value: str(value).encode("unicode_escape").decode(),
)
def test_a_name_is_one_line_that_shows_all_there_is(name, shown):
    assert display_name({"n": name}, [Template("{n}")]) == shown


def test_a_name_has_256_characters_at_most():
    assert display_name({"n": "x" * 1000}, [Template("{n}")]) == "x" * 256
    assert display_name({"n": "x" * 1001}, [Template("{n}")]) is None


@given(st.text(max_size=300))
def test_a_name_never_disguises_itself(name):
    shown = display_name({"n": name}, [Template("{n}")])
    if shown is None:
        return
    assert 0 < len(shown) <= 256
    assert shown.splitlines() == [shown]
    hidden = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
    assert not hidden & {unicodedata.category(character) for character in shown}
