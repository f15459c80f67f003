"""R6.1, R6.3: what is searched for, and that no value becomes anything else than a value."""

from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synapse_tim.directory import fhir_search
from synapse_tim.testing.simulator.directory.search import _alternatives, _token


def parts(search):
    url = urlsplit(search)
    return url.path, parse_qs(url.query, strict_parsing=True)


def test_a_user_is_searched_for_in_both_spellings_and_all_places():
    found = [parts(each) for each in fhir_search.for_user("@a/b:hospital.example")]
    assert [kind for kind, _ in found] == ["HealthcareService", "PractitionerRole", "Endpoint"] * 2
    addresses = [query.get("endpoint.address:exact") or query["address:exact"] for _, query in found]
    assert addresses == [["matrix:u/a%2Fb:hospital.example"]] * 3 + [["@a/b:hospital.example"]] * 3
    assert found[0][1]["organization.active"] == found[1][1]["practitioner.active"] == ["true"]
    assert found[0][1]["_include"] == ["HealthcareService:endpoint", "HealthcareService:organization"]
    assert found[1][1]["_include"] == ["PractitionerRole:endpoint", "PractitionerRole:practitioner"]


def test_an_institution_code_is_searched_for_under_any_system():
    ((kind, query),) = map(parts, fhir_search.for_ik("109500969"))
    assert kind == "HealthcareService"
    assert query["organization.identifier"] == ["109500969"]


@pytest.mark.parametrize(
    ("value", "escaped"),
    [
        ("a,b", r"a\,b"),
        ("a|b", r"a\|b"),
        ("a$b", r"a\$b"),
        ("a\\b", r"a\\b"),
        ("a\\,b", r"a\\\,b"),
        ("a", "a"),
    ],
)
def test_characters_with_a_meaning_are_escaped(value, escaped):
    assert fhir_search.escaped(value) == escaped


@given(st.text("ab\\,|$", max_size=12))
def test_an_escaped_value_is_read_as_it_was(value):
    assert _alternatives(fhir_search.escaped(value)) == [value]


@given(st.text(st.characters(exclude_categories=["C"]), min_size=1, max_size=20))
def test_a_telematik_id_is_one_value_whatever_it_is(telematik_id):
    for search in fhir_search.for_telematik_id(telematik_id):
        _, query = parts(search)
        (value,) = query.get("organization.identifier") or query["practitioner.identifier"]
        assert _token(value) == ("https://gematik.de/fhir/sid/telematik-id", telematik_id)
