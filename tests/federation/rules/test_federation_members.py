"""AF_10064-02, A_25534: who may be talked to."""

import pytest

from synapse_tim.federation.denials import NO_USABLE_LIST, NOT_A_MEMBER
from synapse_tim.federation.federation_members import FederationMembers
from synapse_tim.federation.list import parse_payload
from tests.support.helpers import document, entry

OWN = "own.example"
LIST = parse_payload(
    document(entry("hospital.example"), entry("port.example:8448"), entry("i.example", True))
)


@pytest.fixture
def members():
    return FederationMembers(OWN, LIST)


@pytest.mark.parametrize("name", ["hospital.example", "port.example:8448", "i.example", OWN])
def test_af_10064_02_members_and_the_own_server_may_be_talked_to(members, name):
    assert members.check(name) is None


@pytest.mark.parametrize(
    "name",
    [
        "outsider.example",
        "Hospital.example",
        "hospital.example:8448",
        "port.example",
        "port.example:443",
        "sub.hospital.example",
        "example",
        "hospital.example.",
        "hospital.example.evil.example",
        " hospital.example",
        "OWN.example",
        "own.example:8448",
        "",
        None,
    ],
)
def test_af_10064_02_anybody_else_is_denied(members, name):
    assert members.check(name) is NOT_A_MEMBER


@pytest.mark.parametrize("name", ["hospital.example", "outsider.example", "", None])
def test_af_10064_02_without_a_list_everybody_else_is_denied(name):
    """R1.14: fail closed."""
    assert FederationMembers(OWN).check(name) is NO_USABLE_LIST


def test_uc_10064_the_own_server_is_a_member_with_or_without_a_list():
    assert FederationMembers(OWN).check(OWN) is None
    assert OWN not in LIST


@pytest.mark.parametrize(
    ("own", "product_is_insurance", "mismatch"),
    [
        ("hospital.example", False, False),
        ("hospital.example", True, True),
        ("i.example", True, False),
        ("i.example", False, True),
        (OWN, True, False),
        (OWN, False, False),
    ],
)
def test_is_insurance_is_true_exactly_for_ti_m_epa(own, product_is_insurance, mismatch):
    assert (
        FederationMembers(own, LIST).own_kind_mismatch(product_is_insurance=product_is_insurance) is mismatch
    )
    assert not FederationMembers(own).own_kind_mismatch(product_is_insurance=product_is_insurance)
