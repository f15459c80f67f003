"""R1.7, R1.11: whether a verified list may replace the one in force, and how long it may be used."""

import datetime as dt

import attrs
import pytest

from synapse_tim.federation.acceptance import Staleness, accept, check_clock, check_times, staleness
from synapse_tim.federation.compiled import VerifiedList
from synapse_tim.federation.list import parse_payload
from synapse_tim.federation.refusals import Refusal
from synapse_tim.pki.certificates import CLOCK_SKEW
from synapse_tim.pki.signer_path import SignerPath
from tests.support.helpers import DAY, HOUR, MINUTE, NOW, SECOND, document, entry, refused


@pytest.fixture
def path(certs):
    certificates = (certs.list_signer, certs.sub_ca, certs.sub_ca_root)
    return SignerPath(*(identity.certificate for identity in certificates))


@pytest.fixture
def verified(path):
    def make(version, *names, jws="jws", **members):
        rows = [entry(name) for name in names or ("a.example",)]
        return VerifiedList(parse_payload(document(*rows, version=version, **members)), path, jws)

    return make


def test_a_first_list_is_accepted_and_remembered(verified):
    found = accept(verified(7), None, None, NOW)
    assert (found.version, found.jws_digest) == (7, "jws")
    assert found.payload_digest == verified(7).content.digest
    assert found.accepted_at == found.confirmed_at == found.latest_time == NOW


def test_a_newer_list_replaces_an_older_one(verified):
    first = accept(verified(7), None, None, NOW)
    second = accept(verified(8, jws="new"), first, verified(7), NOW + HOUR)
    assert (second.version, second.jws_digest, second.accepted_at) == (8, "new", NOW + HOUR)
    assert accept(verified(2**53 - 1), second, None, NOW + HOUR).version == 2**53 - 1


@pytest.mark.parametrize("version", [0, 6])
def test_r1_7_an_older_list_is_refused(verified, version):
    remembered = accept(verified(7), None, None, NOW)
    for in_force in (None, verified(7)):
        with refused(Refusal.ROLLBACK):
            accept(verified(version), remembered, in_force, NOW + HOUR)


def test_a_list_below_the_operators_minimum_is_refused(verified):
    assert accept(verified(7), None, None, NOW, minimum_version=7)
    with refused(Refusal.BELOW_MINIMUM_VERSION):
        accept(verified(7), None, None, NOW, minimum_version=8)
    remembered = accept(verified(5), None, None, NOW)
    with refused(Refusal.BELOW_MINIMUM_VERSION):
        accept(verified(7), remembered, verified(5), NOW, minimum_version=8)


def test_the_same_list_again_is_a_confirmation(verified):
    first = accept(verified(7), None, None, NOW)
    again = accept(verified(7), first, verified(7), NOW + HOUR)
    assert again == attrs.evolve(first, confirmed_at=NOW + HOUR, latest_time=NOW + HOUR)
    assert accept(verified(7), first, None, NOW + HOUR) == again


def test_the_same_content_signed_anew_is_a_confirmation(verified):
    first = accept(verified(7), None, None, NOW)
    again = accept(verified(7, jws="resigned"), first, None, NOW + HOUR)
    assert (again.jws_digest, again.accepted_at, again.confirmed_at) == ("resigned", NOW, NOW + HOUR)


def test_the_same_members_in_other_octets_are_a_confirmation(verified):
    first = accept(verified(7, "a.example", "b.example"), None, None, NOW)
    other = verified(7, "b.example", "a.example", jws="reordered")
    again = accept(other, first, verified(7, "a.example", "b.example"), NOW + HOUR)
    assert again.payload_digest == other.content.digest
    assert (again.jws_digest, again.accepted_at) == ("reordered", NOW)


def test_equivocation_is_refused(verified):
    """Two lists with one version: somebody shows different federations to different servers."""
    remembered = accept(verified(7, "a.example"), None, None, NOW)
    for names in (("b.example",), ("a.example", "b.example")):
        with refused(Refusal.EQUIVOCATION):
            accept(verified(7, *names), remembered, verified(7, "a.example"), NOW)


def test_other_octets_are_refused_while_nothing_can_be_compared(verified):
    remembered = accept(verified(7, "a.example", "b.example"), None, None, NOW)
    other = verified(7, "b.example", "a.example")
    for in_force in (None, verified(6, "a.example", "b.example")):
        with refused(Refusal.EQUIVOCATION):
            accept(other, remembered, in_force, NOW)


def test_what_is_refused_changes_nothing(verified):
    remembered = accept(verified(7), None, None, NOW)
    before = attrs.asdict(remembered)
    for version in (6, 7):
        with refused(Refusal.ROLLBACK if version == 6 else Refusal.EQUIVOCATION):
            accept(verified(version, "other.example"), remembered, verified(7), NOW)
    assert attrs.asdict(remembered) == before


def test_a_clock_that_went_back_stops_updates(verified):
    remembered = accept(verified(7), None, None, NOW)
    check_clock(None, NOW - 999 * DAY)
    check_clock(remembered, NOW - CLOCK_SKEW)
    with refused(Refusal.CLOCK_WENT_BACK):
        check_clock(remembered, NOW - CLOCK_SKEW - SECOND)
    with refused(Refusal.CLOCK_WENT_BACK):
        accept(verified(8), remembered, verified(7), NOW - HOUR)


def test_a_mirrors_answer_is_as_old_as_it_says(verified):
    """No list is fresher behind a mirror than at it; and what was fresher before does not become older."""
    first = accept(verified(7), None, None, NOW, age=2 * HOUR)
    assert (first.accepted_at, first.confirmed_at, first.latest_time) == (NOW, NOW - 2 * HOUR, NOW)
    assert first.confirmed(NOW + HOUR, 2 * HOUR).confirmed_at == NOW - HOUR
    assert first.confirmed(NOW + HOUR, 9 * HOUR).confirmed_at == NOW - 2 * HOUR
    assert accept(verified(7), first, None, NOW + HOUR, age=MINUTE).confirmed_at == NOW + HOUR - MINUTE
    assert accept(verified(8), first, None, NOW + HOUR, age=MINUTE).confirmed_at == NOW + HOUR - MINUTE


def test_the_latest_time_ever_seen_does_not_go_back(verified):
    remembered = accept(verified(7), None, None, NOW)
    for changed in (
        accept(verified(8), remembered, None, NOW - MINUTE),
        accept(verified(7), remembered, None, NOW - MINUTE),
        remembered.confirmed(NOW - MINUTE),
    ):
        assert changed.latest_time == NOW
        assert changed.confirmed_at == NOW - MINUTE
    assert remembered.confirmed(NOW + HOUR).latest_time == NOW + HOUR


def seconds(at):
    return int(at.timestamp())


def test_r1_3_a_list_is_not_used_before_its_iat(verified):
    issued = verified(7, iat=seconds(NOW))
    check_times(issued.content, NOW - CLOCK_SKEW)
    with refused(Refusal.LIST_NOT_YET_VALID):
        check_times(issued.content, NOW - CLOCK_SKEW - SECOND)
    with refused(Refusal.LIST_NOT_YET_VALID):
        accept(issued, None, None, NOW - HOUR)


def test_r1_3_a_list_is_not_accepted_after_its_exp(verified):
    expiring = verified(7, exp=seconds(NOW))
    check_times(expiring.content, NOW + CLOCK_SKEW)
    with refused(Refusal.LIST_EXPIRED):
        check_times(expiring.content, NOW + CLOCK_SKEW + SECOND)
    with refused(Refusal.LIST_EXPIRED):
        accept(expiring, None, None, NOW + HOUR)


MAX_AGE = dt.timedelta(hours=72)


def test_r1_11_a_list_is_stale_once_it_has_not_been_confirmed_for_too_long(verified):
    assert staleness(verified(7), MAX_AGE, MAX_AGE, NOW) is None
    assert staleness(verified(7), MAX_AGE + SECOND, MAX_AGE, NOW) is Staleness.NOT_CONFIRMED


def test_r1_11_a_list_is_stale_past_its_exp(verified):
    expiring = verified(7, exp=seconds(NOW))
    assert staleness(expiring, HOUR, MAX_AGE, NOW + CLOCK_SKEW) is None
    assert staleness(expiring, HOUR, MAX_AGE, NOW + CLOCK_SKEW + SECOND) is Staleness.LIST_EXPIRED


def test_r1_11_a_list_is_stale_past_the_validity_of_its_path(verified, path):
    last = path.not_after + CLOCK_SKEW
    assert staleness(verified(7), HOUR, MAX_AGE, last) is None
    assert staleness(verified(7), HOUR, MAX_AGE, last + SECOND) is Staleness.SIGNER_EXPIRED
