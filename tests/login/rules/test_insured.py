"""AF_10234, R4.4, R4.5: insured persons and their insurer."""

import pytest

from synapse_tim.core.institution_code import is_code
from synapse_tim.core.products import Product
from synapse_tim.federation.list import parse_payload
from synapse_tim.login.rules.claims import INSURED, PERSONS, is_oid
from synapse_tim.login.rules.insured import ID, ORGANIZATION, PROFESSION, Insurer, check_person
from synapse_tim.login.rules.refusals import TokenRefusal, TokenRefusedError
from tests.support.helpers import document, entry

EPA, PRO = Product.EPA, Product.PRO
OURS, THEIRS = "insurer.example", "other.example:8448"
IK, SECOND_IK, OTHER_IK, UNKNOWN_IK = "109500969", "109500970", "109999994", "109000001"
DOCTOR = "1.2.276.0.76.4.30"
PERSON = {ID: "X000000012", ORGANIZATION: IK, PROFESSION: INSURED}


def refused(reason):
    return pytest.raises(TokenRefusedError, match=rf"^{reason.value}(:|$)")


def a_list(*ours, **others):
    rows = [entry(OURS, True, ik=list(ours)), entry(THEIRS, True, ik=[OTHER_IK]), entry("hospital.example")]
    return parse_payload(document(*rows))


LIST, WITHOUT = a_list(IK, SECOND_IK), a_list()


def check(known_list=LIST, product=EPA, further=(), insurer=None, **members):
    person = {name: value for name, value in (PERSON | members).items() if value is not ...}
    check_person(person, product, insurer or Insurer(OURS, frozenset(further)), known_list)


def test_the_insured_of_this_insurer_are_welcome():
    check()
    check(**{ORGANIZATION: SECOND_IK})


@pytest.mark.parametrize("code", [OTHER_IK, UNKNOWN_IK])
def test_the_insured_of_another_insurer_are_not(code):
    for known_list in (LIST, WITHOUT):
        with refused(TokenRefusal.OTHER_INSURER):
            check(known_list, **{ORGANIZATION: code})


def test_a_server_that_is_not_in_the_list_has_no_insured():
    known_list = parse_payload(document(entry(THEIRS, True, ik=[IK])))
    with refused(TokenRefusal.OTHER_INSURER):
        check(known_list)


def test_server_names_are_compared_with_their_port():
    for name in ("other.example", "other.example:448", "xother.example:8448"):
        with refused(TokenRefusal.OTHER_INSURER):
            check(insurer=Insurer(name), **{ORGANIZATION: OTHER_IK})
    check(insurer=Insurer(THEIRS), **{ORGANIZATION: OTHER_IK})


def test_without_any_list_nobody_knows_the_insurer():
    for further in ((), (IK,)):
        with refused(TokenRefusal.LIST_MISSING):
            check(None, further=further)


def test_further_codes_count_while_the_list_has_none_for_this_server():
    check(WITHOUT, further=(IK, UNKNOWN_IK))
    check(WITHOUT, further=(IK, UNKNOWN_IK), **{ORGANIZATION: UNKNOWN_IK})
    with refused(TokenRefusal.OTHER_INSURER):
        check(WITHOUT, further=(IK,), **{ORGANIZATION: SECOND_IK})


def test_further_codes_no_longer_count_once_the_list_has_one_for_this_server():
    for code in (UNKNOWN_IK, SECOND_IK):
        with refused(TokenRefusal.OTHER_INSURER):
            check(a_list(IK), further=(code,), **{ORGANIZATION: code})
    check(a_list(IK), further=(UNKNOWN_IK,))


def test_a_further_code_is_never_one_of_somebody_else():
    for known_list in (LIST, WITHOUT):
        with refused(TokenRefusal.OTHER_INSURER):
            check(known_list, further=(OTHER_IK,), **{ORGANIZATION: OTHER_IK})


@pytest.mark.parametrize(
    "number",
    [
        *("x000000012", "X00000001", "X0000000123", "XX00000012", "1000000012", "X00000001a", "Ä000000012"),
        *(" X000000012", "X000000012\n", "X٠00000012", "X000000012X000000012"),
    ],
)
def test_a_number_that_is_no_kvnr_is_refused(number):
    with refused(TokenRefusal.KVNR_MALFORMED):
        check(**{ID: number})


@pytest.mark.parametrize(
    "code", ["10950096", "1095009690", "10950096a", " 109500969", "109500969\n", "１０９５００９６９"]
)
def test_a_code_that_is_no_ik_is_refused(code):
    assert not is_code(code)
    with refused(TokenRefusal.INSURER_MALFORMED):
        check(further=(code,), **{ORGANIZATION: code})


@pytest.mark.parametrize("member", [ID, ORGANIZATION])
def test_both_numbers_have_to_be_there_and_to_be_texts(member):
    for value in (..., None, ""):
        with refused(TokenRefusal.CLAIM_MISSING):
            check(**{member: value})
    for value in (109500969, [IK], {}):
        with refused(TokenRefusal.CLAIMS_MALFORMED):
            check(**{member: value})


@pytest.mark.parametrize("claim", [PROFESSION, "professionOID"])
def test_an_insured_person_has_no_business_at_a_server_for_professionals(claim):
    with refused(TokenRefusal.INSURED_PERSON):
        check(product=PRO, **{PROFESSION: ..., claim: INSURED})
    for other in (DOCTOR, 1, None):
        with refused(TokenRefusal.INSURED_PERSON):
            check(product=PRO, **{PROFESSION: other, "professionOID": other, claim: INSURED})


@pytest.mark.parametrize("profession", [..., None, DOCTOR, "1.2.276.0.76.4.59", INSURED + "0", 49])
def test_everybody_else_has(profession):
    for name in (PROFESSION, "professionOID"):
        check(None, PRO, **{PROFESSION: ..., name: profession})


@pytest.mark.parametrize("profession", [..., None, "", DOCTOR, "1.2.276.0.76.4.59", INSURED + " ", 49])
def test_nobody_else_has_business_at_a_server_for_insured_persons(profession):
    for name in (PROFESSION, "professionOID"):
        with refused(TokenRefusal.NOT_INSURED):
            check(**{PROFESSION: ..., name: profession})


@pytest.mark.parametrize("claim", [PROFESSION, "professionOID"])
def test_the_profession_may_stand_in_either_claim(claim):
    check(**{PROFESSION: ..., claim: INSURED})


def test_refusals_say_nothing_about_the_person():
    for members in (
        {ID: "secret"},
        {ORGANIZATION: "secret"},
        {PROFESSION: "secret"},
        {ORGANIZATION: OTHER_IK},
    ):
        with pytest.raises(TokenRefusedError) as caught:
            check(**members)
        assert "secret" not in str(caught.value)
        assert OTHER_IK not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        (INSURED, True),
        ("0.1", True),
        ("2.999.0", True),
        ("1", False),
        ("3.1", False),
        ("1.02", False),
        ("1.2.", False),
        ("1..2", False),
        ("1.2\n", False),
        ("1.2.276.0.76.4.30 ", False),
        ("oid_arzt", False),
        ("1.٢", False),
        ("1." + "9" * 21, False),
    ],
)
def test_what_an_object_identifier_is(text, is_one):
    assert is_oid(text) is is_one


def test_the_oids_of_persons_are_oids():
    assert all(is_oid(oid) for oid in PERSONS)
    assert DOCTOR in PERSONS
    assert not PERSONS & {f"1.2.276.0.76.4.{number}" for number in (50, 53, 54, 59)}
