"""The simulated directory answers look-ups in the shapes of the interface, and wrongly when told to."""

import base64
import json
import ssl
import urllib.error
import urllib.parse
import urllib.request

import pytest

from synapse_tim.directory.owner_types import OwnerType
from synapse_tim.testing.paths import LOCALIZATION
from synapse_tim.testing.simulator.directory.entries import ListedAddress

USER = "@alice:hospital.example"
URI = "matrix:u/alice:hospital.example"


@pytest.fixture
def ti(empty_ti):
    return empty_ti


def fetch(ti, url, headers, body=None):
    """Status and JSON."""
    context = ssl.create_default_context(cafile=ti.ca_file)
    request = urllib.request.Request(url, data=body, headers=headers)
    try:
        with urllib.request.urlopen(request, context=context) as response:
            return response.status, json.loads(response.read() or b"null"), response.headers
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read() or b"null"), error.headers


@pytest.fixture(scope="module")
def token(module_ti):
    given = module_ti.vzd_credentials
    basic = base64.b64encode(f"{given['client_id']}:secret".encode()).decode()
    _, first, _ = fetch(
        module_ti, given["token_url"], {"Authorization": f"Basic {basic}"}, b"grant_type=client_credentials"
    )
    bearer = {"Authorization": f"Bearer {first['access_token']}"}
    return fetch(module_ti, given["authenticate_url"], bearer)[1]["access_token"]


@pytest.fixture
def where_is(ti, token):
    def where_is(address, token=token):
        query = urllib.parse.urlencode({"mxid": address})
        return fetch(ti, f"{ti.directory_url}{LOCALIZATION}?{query}", {"Authorization": f"Bearer {token}"})

    return where_is


def test_the_answer_is_a_json_string(ti, where_is):
    ti.entries.add_organisation("Klinik", [USER])
    assert where_is(URI)[:2] == (200, "org")
    ti.entries.add_practitioner("Dr. Amsel", [USER])
    assert where_is(URI)[:2] == (200, "orgPract")


def test_an_entry_is_known_by_the_spelling_in_which_it_was_written(ti, where_is):
    ti.entries.add_practitioner("Dr. Amsel", [ListedAddress.of_user(USER, uri=False)])
    assert where_is(USER)[:2] == (200, "pract")
    assert where_is(URI)[0] == 404


def test_who_is_unknown_inactive_or_off_is_not_found(ti, where_is):
    ti.entries.add_organisation("Klinik", [USER], active=False)
    ti.entries.add_practitioner("Dr. Amsel", [ListedAddress(URI, status="off")])
    assert where_is(URI)[0] == 404
    assert ti.entries.owner_type(URI) is OwnerType.NONE


def test_what_is_hidden_from_insured_persons_is_found(ti, where_is):
    ti.entries.add_organisation("Klinik", [ListedAddress(URI, hidden=True)], hidden=True)
    assert where_is(URI)[:2] == (200, "org")


def test_who_was_taken_out_is_not_found(ti, where_is):
    entry = ti.entries.add_organisation("Klinik", [USER])
    ti.entries.remove(entry.telematik_id)
    assert where_is(URI)[0] == 404
    with pytest.raises(KeyError):
        ti.entries.remove(entry.telematik_id)


def test_a_log_in_is_needed(ti, where_is):
    assert where_is(URI, token="none")[0] == 401


def test_faults_of_look_ups(ti, where_is):
    ti.faults.paths = (LOCALIZATION,)
    ti.faults.lookups_unauthorized = 2
    assert [where_is(URI)[0] for _ in range(3)] == [401, 401, 404]
    ti.faults.owner_type = "everybody"
    assert where_is(URI)[:2] == (200, "everybody")
    ti.faults.malformed_lookups = True
    with pytest.raises(json.JSONDecodeError):
        where_is(URI)
    ti.faults.status, ti.faults.retry_after = 429, 17
    status, _, headers = where_is(URI)
    assert (status, headers["Retry-After"]) == (429, "17")


# Searches


@pytest.fixture
def search(ti, token):
    def search(path, *pairs, root="/search/"):
        url = path if path.startswith("https://") else f"{ti.directory_url}{root}{path}"
        query = f"?{urllib.parse.urlencode(pairs)}" if pairs else ""
        return fetch(ti, url + query, {"Authorization": f"Bearer {token}"})[:2]

    return search


def found(answer):
    status, bundle = answer
    assert (status, bundle["resourceType"], bundle["type"]) == (200, "Bundle", "searchset")
    return [(each["search"]["mode"], each["resource"]["resourceType"]) for each in bundle.get("entry", [])]


INCLUDES = [("_include", "HealthcareService:endpoint"), ("_include", "HealthcareService:organization")]


def test_a_search_brings_what_is_included(ti, search):
    ti.entries.add_organisation("Klinik", [USER], telematik_id="5-2")
    by_id = ("organization.identifier", "https://gematik.de/fhir/sid/telematik-id|5-2")
    assert found(search("HealthcareService", by_id)) == [("match", "HealthcareService")]
    assert found(search("HealthcareService", by_id, *INCLUDES)) == [
        ("match", "HealthcareService"),
        ("include", "Endpoint"),
        ("include", "Organization"),
    ]
    assert found(search("PractitionerRole", ("practitioner.identifier", "5-2"))) == []


def test_strings_match_by_their_beginning_unless_exactly_is_asked_for(ti, search):
    ti.entries.add_organisation("Klinik", [USER, f"{USER}.evil"])
    assert len(found(search("Endpoint", ("address", URI.upper())))) == 2
    assert len(found(search("Endpoint", ("address:exact", URI)))) == 1
    assert len(found(search("Endpoint", ("address:exact", URI.upper())))) == 0
    ti.faults.prefix_matches = True
    assert len(found(search("Endpoint", ("address:exact", URI)))) == 2


def test_a_search_for_insured_persons_leaves_out_what_is_hidden(ti, search):
    ti.entries.add_organisation("Klinik", [ListedAddress(URI, hidden=True)])
    by_address = ("endpoint.address:exact", URI)
    assert len(found(search("HealthcareService", by_address, *INCLUDES))) == 3
    assert found(search("HealthcareService", by_address, *INCLUDES, root="/fdv/search/")) == []
    everything = found(search("HealthcareService", *INCLUDES, root="/fdv/search/"))
    assert everything == [("match", "HealthcareService"), ("include", "Organization")]


def test_a_search_has_pages(ti, search):
    for n in range(7):
        ti.entries.add_practitioner(f"Dr. {n}", [f"@u{n}:hospital.example"])
    status, bundle = search("PractitionerRole", ("_count", "3"))
    assert (len(found((status, bundle))), bundle["total"]) == (3, 7)
    pages = 1
    while nexts := [each["url"] for each in bundle["link"] if each["relation"] == "next"]:
        _, bundle = search(nexts[0])
        pages += 1
    assert (pages, len(bundle["entry"])) == (3, 1)


def test_what_the_directory_does_not_know_is_refused(ti, search):
    ti.entries.add_organisation("Klinik", [USER])
    assert search("HealthcareService", ("organisation.active", "true"))[0] == 400
    assert search("HealthcareService", ("_include", "HealthcareService:everything"))[0] == 400
    assert search("Patient")[0] == 404


def test_faults_of_searches(ti, search):
    ti.entries.add_organisation("Klinik", [USER, "@bob:hospital.example"])
    ti.faults.wrong_total = ti.faults.endless_next = True
    ti.faults.unknown_elements, ti.faults.deep_nesting = 1, 20
    _, bundle = search("Endpoint")
    assert bundle["total"] == 4711
    assert [each["relation"] for each in bundle["link"]] == ["self", "next"]
    assert ["favouriteColour" in each["resource"] for each in bundle["entry"]] == [True, False]
    assert "extension" in bundle["entry"][0]["resource"]
    ti.faults.foreign_next = "https://evil.example/"
    assert search("Endpoint")[1]["link"][-1]["url"] == "https://evil.example/"
