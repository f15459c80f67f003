"""R6.2, R6.3: who is listed, as what and for whom, from the resources of a search."""

import copy
import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synapse_tim.directory.entries import (
    KINDS,
    DirectoryEntry,
    OwnerKind,
    Role,
    has_ik,
    has_telematik_id,
    is_user,
    read_entries,
    validated,
)
from synapse_tim.directory.fhir_search import read_page
from synapse_tim.testing.simulator.directory.entries import DirectoryEntries, ListedAddress
from synapse_tim.testing.simulator.directory.resources import resources_of

SAMPLES = Path(__file__).resolve().parents[4] / "shared" / "data" / "vzd" / "fhir-samples.json"
USER = "@alice:hospital.example"


def resources(entry):
    made = resources_of(entry)
    return copy.deepcopy([made.service, made.owner, made.location, *made.endpoints])


@pytest.fixture
def entries():
    return DirectoryEntries()


@pytest.fixture
def clinic(entries):
    """The resources of an organisation with one user."""
    return resources(
        entries.add_organisation("Klinik", [USER], telematik_id="5-2-KH", ik="109500969", profession="1.2.3")
    )


def one(found):
    (entry,) = read_entries(found).entries
    return entry


def find(found, kind):
    return next(each for each in found if each["resourceType"] == kind)


def test_an_organisation_and_its_user(clinic):
    entry = one(clinic)
    assert (entry.owner.kind, entry.owner.name) == (OwnerKind.ORGANISATION, "Klinik")
    assert entry.owner.telematik_ids == ("5-2-KH",)
    assert entry.owner.iks == ("109500969",)
    assert entry.owner.professions == ("1.2.3",)
    assert (entry.endpoint.user_id, entry.endpoint.role) == (USER, Role.TIM)
    assert entry.endpoint.address == "matrix:u/alice:hospital.example"
    assert (entry.active, entry.hidden) == (True, False)


def test_a_practitioner_and_their_user(entries):
    made = entries.add_practitioner("Dr. Seraphinus Amsel", [USER], telematik_id="1-1", profession="1.2.4")
    entry = one(resources(made))
    assert (entry.owner.kind, entry.owner.name) == (OwnerKind.PRACTITIONER, "Dr. Seraphinus Amsel")
    assert (entry.owner.telematik_ids, entry.owner.professions) == (("1-1",), ("1.2.4",))
    assert entry.active


def test_a_name_in_parts_is_put_together(entries):
    found = resources(entries.add_practitioner("x", [USER]))
    find(found, "Practitioner")["name"] = [{"prefix": ["Dr."], "given": ["Max", "M."], "family": "Muster"}]
    assert one(found).owner.name == "Dr. Max M. Muster"


@pytest.mark.parametrize(
    ("code", "role"),
    [
        ("tim", Role.TIM),
        ("tim-fa", Role.TIM_FA),
        ("tim-bot", Role.TIM_BOT),
        ("terminbuchung-tim", Role.OTHER),
    ],
)
def test_what_kind_of_user_it_is(entries, code, role):
    made = entries.add_organisation("Klinik", [ListedAddress.of_user(USER, code=code)])
    assert one(resources(made)).endpoint.role is role


def test_a_code_of_another_system_says_nothing(clinic):
    find(clinic, "Endpoint")["connectionType"]["system"] = "http://example.org"
    assert one(clinic).endpoint.role is Role.OTHER


@pytest.mark.parametrize("status", ["off", "suspended", "entered-in-error", "test"])
def test_only_an_active_endpoint_is_active(clinic, status):
    find(clinic, "Endpoint")["status"] = status
    assert not one(clinic).active


def test_an_owner_that_is_not_active_has_no_active_users(clinic):
    find(clinic, "Organization")["active"] = False
    assert not one(clinic).active


def test_a_user_without_an_owner_is_not_listed_as_active(clinic):
    clinic.remove(find(clinic, "Organization"))
    assert one(clinic) == DirectoryEntry(None, one(clinic).endpoint)
    assert not one(clinic).active
    assert one([find(clinic, "Endpoint")]).owner is None


@pytest.mark.parametrize(("of_owner", "of_endpoint"), [(True, False), (False, True), (False, False)])
def test_hidden_from_insured_persons_by_either_of_the_two(entries, of_owner, of_endpoint):
    made = entries.add_organisation(
        "Klinik", [ListedAddress.of_user(USER, hidden=of_endpoint)], hidden=of_owner
    )
    assert one(resources(made)).hidden == (of_owner or of_endpoint)


def test_addresses_of_other_services_are_passed_over(entries):
    made = entries.add_organisation("Klinik", [ListedAddress("https://klinik.example", code="eRP-onPremise")])
    assert one(resources(made)).endpoint is None


def test_whoever_has_several_users_has_several_entries(entries):
    made = entries.add_organisation("Klinik", [USER, "@bob:hospital.example"])
    assert [each.endpoint.user_id for each in read_entries(resources(made)).entries] == [
        USER,
        "@bob:hospital.example",
    ]


@pytest.mark.parametrize(
    "refer",
    [
        "https://directory.example/search/{0}",
        "{0}/_history/7",
        "https://directory.example/search/{0}/_history/1",
    ],
)
def test_references_in_all_forms_are_followed(clinic, refer):
    service = find(clinic, "HealthcareService")
    service["endpoint"][0]["reference"] = refer.format(service["endpoint"][0]["reference"])
    service["providedBy"]["reference"] = refer.format(service["providedBy"]["reference"])
    assert one(clinic).owner.name == "Klinik"


def test_what_comes_on_several_pages_counts_once(clinic):
    assert len(read_entries([*clinic, *copy.deepcopy(clinic)]).entries) == 1


# One bad resource spoils no other


@pytest.mark.parametrize(
    "change",
    [
        {"favouriteColour": "blue"},
        {"status": 7},
        {"address": {"a": 1}},
        {"connectionType": ["tim"]},
        {"extension": [{"url": "x", "valueCoding": "y"}]},
    ],
)
def test_a_bad_resource_is_skipped_and_counted(entries, clinic, change):
    bad = resources(entries.add_organisation("Other", ["@bob:other.example"]))
    find(bad, "Endpoint").update(change)
    found = read_entries([*bad, *clinic])
    assert found.skipped == 1
    assert [each.endpoint and each.endpoint.user_id for each in found.entries] == [None, USER]


@pytest.mark.parametrize(
    "resource", [{}, {"resourceType": 7}, {"resourceType": ["Endpoint"]}, {"resourceType": "../os"}]
)
def test_what_is_no_resource_of_interest_is_passed_over(clinic, resource):
    found = read_entries([resource, *clinic])
    assert (len(found.entries), found.skipped) == (1, 0)


def test_deep_nesting_is_a_bad_resource_and_no_crash(clinic):
    nested = {"url": "u", "valueCode": "x"}
    for _ in range(900):
        nested = {"url": "u", "extension": [nested]}
    find(clinic, "Endpoint")["extension"] = [nested]
    assert read_entries(clinic).skipped == 1


def test_texts_of_the_directory_move_no_cursor_and_end(clinic):
    find(clinic, "Organization")["name"] = "Klinik\x1b[2J\u202e\r\n" + "x" * 10_000
    name = one(clinic).owner.name
    assert name.startswith("Klinik�[2J���")
    assert len(name) == 200


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=5),
    lambda below: st.lists(below, max_size=2) | st.dictionaries(st.text(max_size=8), below, max_size=2),
    max_leaves=5,
)


@settings(max_examples=200)
@given(st.data())
def test_whatever_stands_in_a_resource_is_read_or_skipped(data):
    entries = DirectoryEntries()
    found = resources(entries.add_organisation("Klinik", [USER], hidden=True))
    found += resources(entries.add_practitioner("Dr. Amsel", [ListedAddress.of_user(USER, hidden=True)]))
    spoiled = data.draw(st.sampled_from([each for each in found if each["resourceType"] in KINDS]))
    spoiled[data.draw(st.sampled_from(sorted(spoiled)))] = data.draw(JSON)
    assert all(isinstance(each, DirectoryEntry) for each in read_entries(found).entries)


# Comparing


def test_beginnings_and_other_letters_are_other_users(entries):
    others = ["@alice:hospital.example.evil", "@alice:hospital.example:8448", "@Alice:hospital.example"]
    found = resources(entries.add_organisation("Others", others))
    found += resources(entries.add_organisation("Klinik", [ListedAddress("@alice:Hospital.Example")]))
    (entry,) = read_entries(found).where(is_user(USER)).entries
    assert entry.owner.name == "Klinik"


def test_ids_are_compared_exactly_and_under_their_system(clinic):
    found = read_entries(clinic)
    assert found.where(has_telematik_id("5-2-KH")).entries == found.entries
    assert found.where(has_telematik_id("5-2-K")).entries == ()
    assert found.where(has_telematik_id("109500969")).entries == ()
    assert found.where(has_ik("109500969")).entries == found.entries
    assert found.where(has_ik("5-2-KH")).entries == ()


@pytest.mark.parametrize(
    "system", ["http://fhir.de/sid/arge-ik/iknr", "http://fhir.de/StructureDefinition/identifier-iknr"]
)
def test_institution_codes_are_known_under_both_systems(clinic, system):
    find(clinic, "Organization")["identifier"][-1]["system"] = system
    assert one(clinic).owner.iks == ("109500969",)


# gematik's samples


@pytest.fixture(scope="module")
def samples():
    if not SAMPLES.exists():
        pytest.skip("gematik's samples are not here")
    return json.loads(SAMPLES.read_text())


def test_all_samples_are_resources(samples):
    assert len(samples) == 100
    assert [name for name, resource in samples.items() if validated(resource) is None] == []


def test_the_sample_of_a_hospital(samples):
    page = read_page(json.dumps(samples["FHIRseach/Search_HealthcareService_telematikID.adoc"]).encode())
    found = read_entries(page.resources)
    assert found.skipped == 0
    (entry,) = found.entries
    assert entry.endpoint.user_id == "@1-2arvtst-ap000052:tim.test.gematik.de"
    assert entry.owner.telematik_ids == ("1-2arvtst-ap000052",)
    assert entry.owner.professions == ("1.2.276.0.76.4.57",)
    assert entry.active


def test_the_sample_of_a_practitioner(samples):
    page = read_page(json.dumps(samples["FHIRseach/Search_PractitionerRole_complex.adoc"]).encode())
    (entry,) = read_entries(page.resources).entries
    assert (entry.owner.kind, entry.owner.name) == (OwnerKind.PRACTITIONER, "Seraphinus Amsel")
    assert entry.active


def test_every_page_among_the_samples_is_read_in_pieces(samples):
    bundles = [each for each in samples.values() if each.get("type") == "searchset"]
    assert bundles
    for bundle in bundles:
        entries = bundle.get("entry", [])
        for start in range(0, len(entries), 100):
            page = read_page(json.dumps({**bundle, "entry": entries[start : start + 100]}).encode())
            assert (page.skipped, read_entries(page.resources).skipped) == (0, 0)


# What it costs


@pytest.mark.parametrize(
    "code",
    [
        "import synapse_tim; synapse_tim.TiMessenger; synapse_tim.Directory",
        "import synapse_tim.directory.search, synapse_tim.cli.directory",
        "from synapse_tim.directory.entries import *; read_entries([{'resourceType': 'Location'}])",
    ],
)
def test_the_library_is_loaded_by_searches_only(code):
    code += "; import sys; sys.exit(any(name.startswith('fhir') for name in sys.modules))"
    subprocess.run([sys.executable, "-c", code], check=True)
