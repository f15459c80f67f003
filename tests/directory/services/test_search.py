"""R6.1 to R6.3: searches in a directory that behaves and in one that does not."""

from pathlib import Path

import pytest

from synapse_tim.directory.entries import OwnerKind, Role
from synapse_tim.directory.failures import DirectoryError, DirectoryFailure
from synapse_tim.directory.search import MAX_PAGES, DirectorySearch, _next_url
from synapse_tim.directory.session import DirectorySession, ProviderCredentials
from synapse_tim.directory.transport import DirectoryTransport
from synapse_tim.testing.paths import AUTHENTICATE, INSURED_SEARCH, SEARCH
from synapse_tim.testing.simulator.directory.entries import ListedAddress
from synapse_tim.transport.fetcher import Fetcher
from synapse_tim.transport.tls import client_context

USER = "@alice:hospital.example"


@pytest.fixture
def search(ti):
    ti.faults.paths = (SEARCH, INSURED_SEARCH)
    given = ti.vzd_credentials
    secret = Path(given["client_secret_path"]).read_text()
    credentials = ProviderCredentials(
        given["token_url"], given["authenticate_url"], given["client_id"], secret
    )
    made = []

    def make(insured=False, deadline=30.0):
        fetcher = Fetcher(client_context(ti.ca_file), silence=30)
        made.append(DirectoryTransport(fetcher, deadline=deadline, sleep=lambda seconds: None))
        session = DirectorySession(fetcher, credentials, lambda: 0.0)
        return DirectorySearch(made[-1], session, ti.directory_url, insured=insured)

    yield make
    for each in made:
        each.close()


def users(found):
    return [entry.endpoint and entry.endpoint.user_id for entry in found.entries]


def failure(ask, *arguments):
    with pytest.raises(DirectoryError) as caught:
        ask(*arguments)
    return caught.value.reason


# What is found


@pytest.mark.parametrize("uri", [True, False])
def test_a_user_is_found_in_either_spelling_with_who_lists_it(ti, search, uri):
    ti.entries.add_organisation(
        "Klinik", [ListedAddress.of_user(USER, uri=uri, code="tim-fa")], telematik_id="5-2-KH"
    )
    (entry,) = search().find_by_mxid(USER).entries
    assert (entry.owner.name, entry.owner.telematik_ids) == ("Klinik", ("5-2-KH",))
    assert (entry.endpoint.role, entry.active) == (Role.TIM_FA, True)


def test_a_user_of_an_organisation_and_of_a_practitioner_has_two_entries(ti, search):
    ti.entries.add_organisation("Klinik", [USER, "@bob:hospital.example"])
    ti.entries.add_practitioner("Dr. Amsel", [ListedAddress.of_user(USER, uri=False)])
    found = search().find_by_mxid("matrix:u/alice:Hospital.example")
    assert users(found) == [USER, USER]
    assert [each.owner.kind for each in found.entries] == [OwnerKind.ORGANISATION, OwnerKind.PRACTITIONER]


def test_what_is_off_or_whose_owner_is_not_active_is_found_as_such(ti, search):
    ti.entries.add_organisation("Off", [ListedAddress("matrix:u/alice:hospital.example", status="off")])
    ti.entries.add_organisation("Closed", [USER], active=False)
    found = search().find_by_mxid(USER).entries
    assert [(each.owner and each.owner.name, each.endpoint.status) for each in found] == [
        ("Off", "off"),
        (None, "active"),
    ]
    assert not any(each.active for each in found)


def test_nobody_is_nothing(search):
    assert search().find_by_mxid(USER).entries == ()


def test_user_ids_with_characters_that_mean_something_are_found(ti, search):
    odd = "@a,b|c$d&e=f+g/h%41'?#:hospital.example:8448"
    for uri in (True, False):
        ti.entries.clear()
        ti.entries.add_organisation("Klinik", [ListedAddress.of_user(odd, uri=uri)])
        assert users(search().find_by_mxid(odd)) == [odd]


def test_an_organisation_is_found_by_its_telematik_id(ti, search):
    ti.entries.add_organisation("Klinik", [USER], telematik_id="5-2,3|4$5\\6")
    ti.entries.add_organisation("Other", ["@bob:hospital.example"], telematik_id="5-2")
    assert users(search().find_by_telematik_id("5-2,3|4$5\\6")) == [USER]
    assert search().find_by_telematik_id("5-2,3").entries == ()


def test_a_practitioner_is_found_by_the_telematik_id(ti, search):
    ti.entries.add_practitioner("Dr. Amsel", [], telematik_id="1-1")
    (entry,) = search().find_by_telematik_id("1-1").entries
    assert (entry.owner.name, entry.endpoint, entry.active) == ("Dr. Amsel", None, True)


def test_an_organisation_is_found_by_its_institution_code(ti, search):
    ti.entries.add_organisation("Klinik", [USER], ik="109500969")
    ti.entries.add_organisation("Other", ["@bob:hospital.example"], telematik_id="109500969")
    assert users(search().find_by_ik("109500969")) == [USER]


@pytest.mark.parametrize(
    ("what", "value"),
    [
        ("find_by_mxid", "@alice"),
        ("find_by_mxid", "@ä:hospital.example"),
        ("find_by_ik", "10950096"),
        ("find_by_telematik_id", ""),
        ("find_by_telematik_id", "a\x00b"),
        ("find_by_telematik_id", "a" * 200),
        ("find_by_telematik_id", "\ud800"),
    ],
)
def test_what_is_no_id_is_not_searched_for(ti, search, what, value):
    assert failure(getattr(search(), what), value) is DirectoryFailure.NOT_AN_ID
    assert ti.requests == []


def test_insured_persons_do_not_see_what_is_hidden_from_them(ti, search):
    hidden = ListedAddress.of_user("@hidden:hospital.example", hidden=True)
    ti.entries.add_organisation("Klinik", [USER, hidden], telematik_id="1")
    ti.entries.add_organisation("Labor", ["@lab:hospital.example"], telematik_id="2", hidden=True)
    assert users(search().find_by_telematik_id("1")) == [USER, "@hidden:hospital.example"]
    assert users(search(insured=True).find_by_telematik_id("1")) == [USER]
    assert search(insured=True).find_by_mxid("@hidden:hospital.example").entries == ()
    assert len(search().find_by_telematik_id("2").entries) == 1
    assert search(insured=True).find_by_telematik_id("2").entries == ()


# Pages


def crowd(ti, number):
    for n in range(number):
        ti.entries.add_organisation(f"Klinik {n}", [f"@u{n}:hospital.example"], ik="109500969")


def test_all_pages_are_read(ti, search):
    crowd(ti, 25)
    assert len(search().find_by_ik("109500969").entries) == 25
    assert ti.count(SEARCH) == 3


def test_a_401_in_between_makes_it_log_in_and_go_on(ti, search):
    crowd(ti, 25)
    ti.faults.unauthorized_page = True
    assert len(search().find_by_ik("109500969").entries) == 25
    assert ti.count(AUTHENTICATE) == 2


def test_a_wrong_total_does_not_matter(ti, search):
    crowd(ti, 12)
    ti.faults.wrong_total = True
    assert len(search().find_by_ik("109500969").entries) == 12


def test_pages_without_end_are_not_read_for_ever(ti, search):
    crowd(ti, 1)
    ti.faults.endless_next = True
    assert failure(search().find_by_ik, "109500969") is DirectoryFailure.TOO_MANY_PAGES
    assert ti.count(SEARCH) == MAX_PAGES


def test_a_circle_of_pages_is_left(ti, search):
    ti.faults.foreign_next = f"{ti.directory_url}{SEARCH}HealthcareService?_count=10"
    assert failure(search().find_by_ik, "109500969") is DirectoryFailure.TOO_MANY_PAGES
    assert ti.count(SEARCH) == 2


@pytest.mark.parametrize("where", ["http_url", "https://127.0.0.1:1/search", "//evil.example/search"])
def test_the_token_goes_nowhere_else(ti, search, where):
    crowd(ti, 1)
    ti.faults.foreign_next = getattr(ti, where, where)
    assert failure(search().find_by_ik, "109500969") is DirectoryFailure.FOREIGN_ORIGIN
    assert ti.count("/") == 3  # the login and one page


BASE = "https://directory.example"


@pytest.mark.parametrize(
    "link",
    [
        "?page=2",
        "/search?page=2",
        "https://directory.example/search?page=2",
        "https://DIRECTORY.example:443/search?page=2#x",
    ],
)
def test_links_of_the_directory_are_followed(link):
    assert _next_url(BASE, f"{BASE}/search", link) == f"{BASE}/search?page=2"


@pytest.mark.parametrize(
    "link",
    [
        "http://directory.example/search",
        "https://directory.example:444/search",
        "https://directory.example.evil/search",
        "https://directory.example@evil.example/search",
        "https://evil.example/directory.example",
        "https://evil.example\\@directory.example/",
        "https://us:secret@directory.example/search",
        "//evil.example/search",
        "ftp://directory.example/",
        "file:///etc/passwd",
        "data:text/plain,x",
        "https://directory.example:99999/",
        "https://directory.example:x/",
        "https://[::1/",
        "https://directory.exa\nmple/\x00",
        "https://direct\u00f6ry.example/",
        "\ud800",
    ],
)
def test_links_to_anywhere_else_are_not(link):
    reason = failure(_next_url, BASE, f"{BASE}/search", link)
    assert reason in (DirectoryFailure.FOREIGN_ORIGIN, DirectoryFailure.ANSWER_MALFORMED)


# A directory that lies or stumbles


def test_beginnings_that_the_directory_takes_for_matches_are_none(ti, search):
    ti.faults.prefix_matches = True
    ti.entries.add_organisation("Evil", ["@alice:hospital.example.evil", "@ALICE:hospital.example"])
    ti.entries.add_organisation("Klinik", [USER])
    (entry,) = search().find_by_mxid(USER).entries
    assert entry.owner.name == "Klinik"


def test_an_unknown_element_spoils_one_resource_only(ti, search):
    ti.entries.add_organisation(
        "Klinik", ["@one:hospital.example", "@two:hospital.example"], telematik_id="1"
    )
    ti.faults.unknown_elements = 1
    found = search().find_by_telematik_id("1")
    assert users(found) == ["@two:hospital.example"]
    assert found.skipped == 1


@pytest.mark.parametrize("depth", [100, 900])
def test_deep_nesting_is_refused(ti, search, depth):
    crowd(ti, 1)
    ti.faults.deep_nesting = depth
    assert failure(search().find_by_ik, "109500969") is DirectoryFailure.ANSWER_MALFORMED


@pytest.mark.parametrize(
    ("fault", "value", "reason"),
    [
        ("oversized", 1024 * 1024 + 1, DirectoryFailure.TOO_LARGE),
        ("endless_body", True, DirectoryFailure.TOO_LARGE),
        ("malformed_lookups", True, DirectoryFailure.ANSWER_MALFORMED),
        ("redirect", "/", DirectoryFailure.REDIRECT),
        ("gzip_bomb", 10**6, DirectoryFailure.COMPRESSED),
        ("status", 404, DirectoryFailure.HTTP_STATUS),
        ("status", 500, DirectoryFailure.HTTP_STATUS),
        ("status", 403, DirectoryFailure.AUTHENTICATION),
        ("drop_connection", True, DirectoryFailure.UNREACHABLE),
    ],
)
def test_no_failure_is_an_empty_answer(ti, search, fault, value, reason):
    crowd(ti, 1)
    setattr(ti.faults, fault, value)
    assert failure(search().find_by_ik, "109500969") is reason


def test_a_slow_directory_is_not_waited_for(ti, search):
    crowd(ti, 1)
    ti.faults.slow_drip = 0.1
    assert failure(search(deadline=1.0).find_by_ik, "109500969") is DirectoryFailure.DEADLINE
