"""R6.4, R6.5: where users are listed, from a directory that behaves and from one that does not."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import attrs
import pytest

from synapse_tim.directory.client import DirectoryClient
from synapse_tim.directory.failures import DirectoryError, DirectoryFailure
from synapse_tim.directory.owner_types import OwnerType
from synapse_tim.directory.session import DirectorySession, ProviderCredentials
from synapse_tim.directory.transport import DirectoryTransport
from synapse_tim.testing import wait_for
from synapse_tim.testing.paths import AUTHENTICATE, LOCALIZATION, TOKEN
from synapse_tim.testing.simulator.directory.entries import ListedAddress
from synapse_tim.testing.waiting import HANGING_SECONDS
from synapse_tim.transport.fetcher import Fetcher
from synapse_tim.transport.tls import client_context

USER = "@alice:hospital.example"


@attrs.define
class Clock:
    """Time in the test's hand; waiting lets it pass and may mend the directory."""

    now: float = 1000.0
    waits: list = attrs.field(factory=list)
    while_waiting: object = None

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.waits.append(seconds)
        self.now += seconds
        if self.while_waiting is not None:
            self.while_waiting()


class Desk:
    """A client with its clock."""

    def __init__(self, ti, deadline=30.0, cache_seconds=300.0):
        self.clock = Clock()
        self.changes = []
        fetcher = Fetcher(client_context(ti.ca_file), silence=30)
        given = ti.vzd_credentials
        secret = Path(given["client_secret_path"]).read_text()
        credentials = ProviderCredentials(
            given["token_url"], given["authenticate_url"], given["client_id"], secret
        )
        self.transport = DirectoryTransport(
            fetcher,
            deadline=deadline,
            monotonic=self.clock,
            sleep=self.clock.sleep,
            on_change=self.changes.append,
        )
        self.client = DirectoryClient(
            self.transport,
            DirectorySession(fetcher, credentials, self.clock),
            ti.directory_url,
            cache_seconds=cache_seconds,
            monotonic=self.clock,
        )

    def ask(self, user_id=USER):
        return self.client.owner_type(user_id)

    def failure(self, user_id=USER):
        with pytest.raises(DirectoryError) as caught:
            self.ask(user_id)
        assert user_id not in str(caught.value)
        return caught.value.reason


@pytest.fixture
def desk(ti):
    ti.faults.paths = (LOCALIZATION,)
    made = []

    def make(**changes):
        made.append(Desk(ti, **changes))
        return made[-1]

    yield make
    for each in made:
        each.transport.close()


# Answers


@pytest.mark.parametrize("uri", [True, False])
def test_who_is_listed_in_either_spelling_is_found(ti, desk, uri):
    ti.entries.add_organisation("Klinik", [ListedAddress.of_user(USER, uri=uri)])
    assert desk().ask() is OwnerType.ORG


@pytest.mark.parametrize(
    "address", ["matrix:u/amsel%3D40mail.de:hospital.example", "matrix:u/amsel=40mail.de:hospital.example"]
)
def test_who_is_listed_with_more_encoded_than_needs_to_be_is_found(ti, desk, address):
    ti.entries.add_organisation("Klinik", [ListedAddress(address)])
    assert desk().ask("@amsel=40mail.de:hospital.example") is OwnerType.ORG


def test_listed_in_one_spelling_here_and_in_the_other_there_is_both(ti, desk):
    ti.entries.add_organisation("Klinik", [ListedAddress.of_user(USER, uri=False)])
    ti.entries.add_practitioner("Dr. Amsel", [USER])
    assert desk().ask() is OwnerType.ORG_PRACT


def test_who_is_both_already_is_not_asked_about_twice(ti, desk):
    ti.entries.add_organisation("Klinik", [USER])
    ti.entries.add_practitioner("Dr. Amsel", [USER])
    assert desk().ask() is OwnerType.ORG_PRACT
    assert ti.count(LOCALIZATION) == 1


def test_practitioners_are_told_from_organisations(ti, desk):
    ti.entries.add_practitioner("Dr. Amsel", [USER])
    assert desk().ask() is OwnerType.PRACT


def test_who_is_not_listed_is_none(ti, desk):
    ti.entries.add_organisation("Klinik", ["@alice:hospital.example.evil", "@Alice:hospital.example"])
    ti.entries.add_organisation("Closed", [USER], active=False)
    ti.entries.add_practitioner("Away", [ListedAddress("matrix:u/alice:hospital.example", status="off")])
    assert desk().ask() is OwnerType.NONE
    assert [status for *_, status in ti.requests[-2:]] == [404, 404]


def test_none_in_words_is_none_too(ti, desk):
    ti.faults.owner_type = "none"
    assert desk().ask() is OwnerType.NONE


def test_user_ids_with_characters_that_mean_something_in_urls_arrive_as_they_are(ti, desk):
    for user_id in ("@a/b+c=d&mxid=e%41#f?g;h:hospital.example:8448", "@!$'()*,~:hospital.example"):
        ti.entries.add_organisation("Uri", [ListedAddress.of_user(user_id, uri=True)])
        assert desk().ask(user_id) is OwnerType.ORG
        ti.entries.clear()
        ti.entries.add_organisation("Plain", [ListedAddress.of_user(user_id, uri=False)])
        assert desk().ask(user_id) is OwnerType.ORG


@pytest.mark.parametrize("user_id", ["", "@a", "@a:", "@ä:hospital.example", "!r:hospital.example", "@a:b\n"])
def test_what_is_no_user_id_is_not_asked_about(ti, desk, user_id):
    with pytest.raises(DirectoryError) as caught:
        desk().ask(user_id)
    assert caught.value.reason is DirectoryFailure.NOT_AN_ID
    assert ti.count(LOCALIZATION) == 0


# The cache


@pytest.mark.parametrize("listed", [True, False])
def test_r6_4_an_answer_counts_for_five_minutes_and_no_longer(ti, desk, listed):
    if listed:
        ti.entries.add_organisation("Klinik", [USER], telematik_id="1")
    at = desk()
    before = at.ask()
    if listed:
        ti.entries.remove("1")
    else:
        ti.entries.add_organisation("Klinik", [USER])
    at.clock.now += 299
    asked = ti.count(LOCALIZATION)
    assert at.ask() is before is at.client.known(USER)
    assert at.client.known("matrix:u/alice:Hospital.example") is before
    assert ti.count(LOCALIZATION) == asked
    at.clock.now += 2
    assert at.client.known(USER) is None
    assert at.ask() is not before


def test_r6_4_no_configuration_makes_it_longer(ti, desk):
    at = desk(cache_seconds=10_000)
    at.ask()
    at.clock.now += 301
    assert at.client.known(USER) is None


@pytest.mark.parametrize(
    ("fault", "value"), [("owner_type", "everything"), ("status", 400), ("status", 403), ("status", 500)]
)
def test_r6_4_a_failure_about_a_user_is_kept_for_five_seconds(ti, desk, fault, value):
    at = desk()
    setattr(ti.faults, fault, value)
    at.failure()
    asked = ti.count(LOCALIZATION)
    assert at.failure() is DirectoryFailure.PAUSED
    assert at.client.known(USER) is None
    assert ti.count(LOCALIZATION) == asked
    ti.faults.reset()
    at.clock.now += 6
    assert at.ask() is OwnerType.NONE


# Login


def test_the_log_in_is_kept_and_renewed_when_it_is_refused(ti, desk):
    at = desk()
    at.ask()
    at.ask("@bob:hospital.example")
    assert (ti.count(TOKEN), ti.count(AUTHENTICATE)) == (1, 1)
    ti.faults.lookups_unauthorized = 1
    assert at.ask("@carol:hospital.example") is OwnerType.NONE
    assert (ti.count(TOKEN), ti.count(AUTHENTICATE)) == (2, 2)
    assert at.changes == []


def test_a_directory_that_goes_on_refusing_is_not_asked_for_ever(ti, desk):
    ti.faults.lookups_unauthorized = 100
    assert desk().failure() is DirectoryFailure.AUTHENTICATION
    assert ti.count(LOCALIZATION) == 2


def test_wrong_credentials_are_not_tried_again_and_again(ti, desk):
    ti.faults.credentials_refused = True
    at = desk()
    assert at.failure() is DirectoryFailure.AUTHENTICATION
    assert at.failure() is DirectoryFailure.PAUSED
    assert ti.count(TOKEN) == 1


def test_an_authorisation_server_that_has_no_time_is_asked_again(ti, desk):
    ti.faults.paths, ti.faults.status = (TOKEN,), 503
    at = desk()
    at.clock.while_waiting = ti.faults.reset
    assert at.ask() is OwnerType.NONE


# A directory that does not answer


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_what_may_work_the_next_time_is_tried_again(ti, desk, status):
    ti.entries.add_organisation("Klinik", [USER])
    ti.faults.status = status
    at = desk()
    at.clock.while_waiting = ti.faults.reset
    assert at.ask() is OwnerType.ORG
    assert len(at.clock.waits) == 1
    assert at.changes == []


def test_it_is_left_alone_for_as_long_as_it_says(ti, desk):
    ti.faults.status, ti.faults.retry_after = 429, 7
    at = desk()
    at.clock.while_waiting = ti.faults.reset
    at.ask()
    assert at.clock.waits == [7]


def test_nobody_waits_for_longer_than_the_deadline(ti, desk):
    ti.faults.status, ti.faults.retry_after = 429, 60
    at = desk()
    assert at.failure() is DirectoryFailure.HTTP_STATUS
    assert at.clock.waits == []
    ti.faults.reset()
    at.clock.now += 59
    assert at.failure() is DirectoryFailure.PAUSED
    at.clock.now += 2
    assert at.ask() is OwnerType.NONE


@pytest.mark.parametrize(
    ("fault", "value", "reason", "requests"),
    [
        ("status", 500, DirectoryFailure.HTTP_STATUS, 3),
        ("status", 400, DirectoryFailure.HTTP_STATUS, 2),
        ("status", 204, DirectoryFailure.HTTP_STATUS, 1),
        ("status", 403, DirectoryFailure.AUTHENTICATION, 1),
        ("drop_connection", True, DirectoryFailure.UNREACHABLE, 3),
        ("redirect", "/ECC/ROOT-CA/roots.json", DirectoryFailure.REDIRECT, 1),
        ("compressed", True, DirectoryFailure.COMPRESSED, 1),
        ("oversized", 5000, DirectoryFailure.TOO_LARGE, 1),
        ("endless_body", True, DirectoryFailure.TOO_LARGE, 1),
        ("malformed_lookups", True, DirectoryFailure.ANSWER_MALFORMED, 1),
        ("owner_type", "organisation", DirectoryFailure.ANSWER_MALFORMED, 1),
    ],
)
def test_no_failure_is_an_answer(ti, desk, fault, value, reason, requests):
    ti.entries.add_organisation("Klinik", [USER])
    setattr(ti.faults, fault, value)
    at = desk()
    assert at.failure() is reason
    assert ti.count(LOCALIZATION) == requests
    assert at.client.known(USER) is None


def test_nobody_listening_is_unreachable(ti, desk):
    ti.stop()
    assert desk().failure() is DirectoryFailure.UNREACHABLE


@pytest.mark.parametrize("fault", ["slow_drip", "slow_headers"])
def test_a_slow_directory_is_not_waited_for(ti, desk, fault):
    ti.entries.add_organisation("Klinik", [USER])
    setattr(ti.faults, fault, 0.4)
    assert desk(deadline=1.0).failure() is DirectoryFailure.DEADLINE


@pytest.mark.parametrize("status", [204, 403, 500])
def test_a_failure_in_the_second_spelling_is_a_failure(ti, desk, status):
    ti.entries.add_organisation("Klinik", [USER])
    ti.faults.paths, ti.faults.status = (f"{LOCALIZATION}?mxid=%40",), status
    at = desk()
    at.failure()
    assert at.client.known(USER) is None


@pytest.mark.parametrize("refused", ["%40", "matrix"])
def test_a_directory_that_understands_one_spelling_is_understood(ti, desk, refused):
    ti.entries.add_organisation("Klinik", [ListedAddress.of_user(USER, uri=refused == "%40")])
    ti.faults.paths, ti.faults.status = (f"{LOCALIZATION}?mxid={refused}",), 400
    at = desk()
    assert at.ask() is OwnerType.ORG
    assert at.ask("@bob:hospital.example") is OwnerType.NONE


# The pause


def test_r6_4_a_directory_that_is_down_is_left_alone_and_found_again(ti, desk):
    ti.entries.add_organisation("Klinik", [USER])
    ti.stop()
    at = desk()
    assert at.failure() is DirectoryFailure.UNREACHABLE
    ti.start()
    assert at.failure() is DirectoryFailure.PAUSED
    assert ti.count(LOCALIZATION) == 0
    at.clock.now += 6
    assert at.ask() is OwnerType.ORG
    assert at.changes == [True, False]


def test_during_a_pause_answers_that_are_known_are_given(ti, desk):
    ti.entries.add_organisation("Klinik", [USER])
    at = desk()
    at.ask()
    ti.stop()
    assert at.failure("@bob:hospital.example") is DirectoryFailure.UNREACHABLE
    assert at.ask() is OwnerType.ORG


@pytest.mark.parametrize(
    ("fault", "value"),
    [
        ("status", 400),
        ("status", 403),
        ("status", 500),
        ("redirect", "/blocked"),
        ("compressed", True),
        ("malformed_lookups", True),
        ("oversized", 9000),
    ],
)
def test_what_is_about_one_user_stops_nobody_else(ti, desk, fault, value):
    ti.entries.add_organisation("Klinik", [USER])
    setattr(ti.faults, fault, value)
    at = desk()
    at.failure()
    ti.faults.reset()
    assert at.ask("@bob:hospital.example") is OwnerType.NONE
    assert at.changes == []


def test_who_waited_for_most_of_the_time_shows_nothing_about_the_directory(ti, desk):
    at = desk(deadline=30.0)
    ends = at.transport.end_of_look_up()
    at.clock.now += 29.5
    ti.faults.slow_headers = 0.5
    with pytest.raises(DirectoryError) as caught:
        at.client.owner_type(USER, ends)
    assert caught.value.reason is DirectoryFailure.DEADLINE
    ti.faults.reset()
    assert at.ask() is OwnerType.NONE
    assert at.changes == []


@pytest.mark.parametrize(
    ("fault", "value"), [("status", 503), ("redirect", "/elsewhere"), ("compressed", True)]
)
def test_a_log_in_that_fails_is_not_tried_by_everybody(ti, desk, fault, value):
    ti.faults.paths = (TOKEN,)
    setattr(ti.faults, fault, value)
    at = desk()
    at.failure()
    assert at.failure("@bob:hospital.example") is DirectoryFailure.PAUSED
    assert at.changes == [True]


# Several at once


def test_r6_4_two_connections_at_most(ti, desk):
    ti.faults.slow_headers = 0.01
    at = desk()
    most, running, lock = [], [0], threading.Lock()
    fetch = at.transport._fetcher.get

    def counted(*args, **kwargs):
        with lock:
            running[0] += 1
            most.append(running[0])
        try:
            return fetch(*args, **kwargs)
        finally:
            with lock:
                running[0] -= 1

    at.transport._fetcher.get = counted
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(at.ask, [f"@user{n}:hospital.example" for n in range(8)]))
    assert found == [OwnerType.NONE] * 8
    assert max(most) == 2


def test_the_same_user_is_asked_about_once(ti, desk):
    ti.entries.add_organisation("Klinik", [USER])
    at = desk()
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(at.ask, [USER] * 8)) == {OwnerType.ORG}
    assert ti.count(LOCALIZATION) == 2
    assert ti.count(TOKEN) == 1


def test_all_who_wait_for_an_answer_learn_that_there_is_none(ti, desk):
    ti.faults.slow_headers, ti.faults.status = 0.005, 400
    at = desk()
    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(lambda _: at.failure(), range(4))) == {DirectoryFailure.HTTP_STATUS}
    assert at.client._flights == {}


def test_shutting_down_ends_what_is_under_way(ti, desk):
    ti.faults.slow_headers = 1.0
    at = desk()
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(at.failure)
        wait_for(lambda: ti.count(LOCALIZATION) == 1, what="the request")
        at.transport.close()
        assert asked.result(HANGING_SECONDS) is DirectoryFailure.UNREACHABLE


def test_who_waited_for_too_long_does_not_ask_any_more(ti, desk):
    at = desk()
    ends = at.transport.end_of_look_up()
    at.clock.now = ends
    with pytest.raises(DirectoryError) as caught:
        at.client.owner_type(USER, ends)
    assert caught.value.reason is DirectoryFailure.BUSY
    assert ti.requests == []
