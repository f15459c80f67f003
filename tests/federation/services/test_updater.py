"""The update cycle against the simulator: what is accepted, what is refused and under which name."""

import datetime as dt

import pytest

from synapse_tim.federation.refusals import Refusal
from synapse_tim.jose.large_jws import JwsLimits
from synapse_tim.pki.revocation import OcspMode

HOUR = dt.timedelta(hours=1)


def refused(update):
    return update.refusal.reason if update.refusal else None


def names(state):
    return set(state.in_force.content.domains) if state.in_force else None


def test_the_first_list_is_accepted(bench):
    b = bench()
    update = b.step()
    assert (update.result, refused(update)) == ("accepted", None)
    assert names(b.state) == {"hospital.example", "insurer.example"}
    assert b.state.in_force.content.insurance_domains == {"insurer.example"}
    assert b.state.in_force.content.ik_to_domain == {"109500969": "insurer.example"}
    assert update.data is not None


def test_r1_9_a_204_confirms_the_list_in_force(bench, ti):
    b = bench()
    b.step()
    b.offset = HOUR
    update = b.step()
    assert update.result == "confirmed"
    assert update.data is None
    assert b.state.remembered.confirmed_at - b.state.remembered.accepted_at >= HOUR
    assert ti.requests[-1][2] == 204 or any(status == 204 for *_, status in ti.requests)


def test_what_a_mirror_says_is_as_old_as_it_was_there(bench, ti):
    b = bench()
    ti.faults.age = 3600
    assert b.step().result == "accepted"
    accepted = b.state.remembered
    assert accepted.accepted_at - accepted.confirmed_at == HOUR
    ti.faults.age = 60
    assert b.step().result == "confirmed"
    assert HOUR > b.clock() - b.state.remembered.confirmed_at >= dt.timedelta(minutes=1)
    ti.faults.age = 10**30  # a number that no time can hold
    confirmed = b.state.remembered.confirmed_at
    assert b.step().result == "confirmed"
    assert b.state.remembered.confirmed_at == confirmed


def test_a_change_is_taken_over(bench, ti):
    b = bench()
    b.step()
    ti.add("practice.example")
    ti.remove("hospital.example")
    assert b.step().result == "accepted"
    assert names(b.state) == {"insurer.example", "practice.example"}


def test_the_whole_list_is_asked_for_once_a_day_because_a_204_is_not_signed(bench, ti):
    b = bench()
    b.step()
    b.step()
    assert "version=" in ti.requests[-1][1] or any("version=" in path for _, path, _ in ti.requests)
    b.offset = 25 * HOUR
    ti.clock_offset = 25 * HOUR
    before = len(ti.requests)
    assert b.step().result == "confirmed"
    lists = [path for _, path, _ in ti.requests[before:] if "/list/" in path]
    assert lists
    assert all("version=" not in path for path in lists)


@pytest.mark.parametrize(
    ("fault", "value", "reason"),
    [
        ("bad_signature", True, Refusal.SIGNATURE_INVALID),
        ("unsigned", True, Refusal.NOT_A_COMPACT_JWS),
        ("wrong_role", True, Refusal.SIGNER_ROLE),
        ("wrong_type", True, Refusal.SIGNER_TYPE),
        ("expired_signer", True, Refusal.CERTIFICATE_EXPIRED),
        ("not_yet_valid_signer", True, Refusal.CERTIFICATE_NOT_YET_VALID),
        ("rollback", 1, Refusal.ROLLBACK),
        ("same_version_other_content", True, Refusal.EQUIVOCATION),
        ("status", 500, Refusal.HTTP_STATUS),
        ("status", 404, Refusal.HTTP_STATUS),
        ("status", 401, Refusal.AUTHENTICATION),
        ("redirect", "/elsewhere", Refusal.REDIRECT),
        ("drop_connection", True, Refusal.UNREACHABLE),
        ("compressed", True, Refusal.COMPRESSED),
        ("gzip_bomb", 1 << 30, Refusal.COMPRESSED),
        ("revoked_signer", True, Refusal.REVOKED),
        ("revoked_sub_ca", True, Refusal.REVOKED),
        ("ocsp_unavailable", True, Refusal.OCSP_UNAVAILABLE),
        ("ocsp_stale", True, Refusal.OCSP_STALE),
        ("ocsp_foreign", True, Refusal.OCSP_FOREIGN),
        ("ocsp_tampered", True, Refusal.OCSP_SIGNATURE),
        ("ocsp_unknown", True, Refusal.OCSP_UNKNOWN_CERTIFICATE),
    ],
)
def test_a_fault_is_refused_and_the_list_in_force_stays(bench, ti, fault, value, reason):
    first = bench()
    first.step()
    # A second server that holds the same state, so that no OCSP answer is at hand yet.
    b = bench()
    b.trust.restore(first.trust.material)
    b.state = first.state
    ti.version += 1
    setattr(ti.faults, fault, value)
    if fault in ("rollback", "same_version_other_content"):
        ti.version -= 1
    before = b.state
    update = b.step()
    assert refused(update) is reason, update.refusal
    assert update.state is before
    assert update.data is None
    ti.faults.reset()
    ti.version += 1
    b = bench()  # an answer "revoked" is kept until its nextUpdate
    b.state = before
    assert b.step().result == "accepted"


@pytest.mark.parametrize("fault", ["truncated", "foreign_signer"])
def test_other_manipulations_are_refused(bench, ti, fault):
    b = bench()
    b.step()
    ti.version += 1
    setattr(ti.faults, fault, True)
    update = b.step()
    assert refused(update) in {
        Refusal.NOT_A_COMPACT_JWS,
        Refusal.SIGNATURE_INVALID,
        Refusal.BASE64,
        Refusal.CERTIFICATE_SIGNATURE,
        Refusal.ISSUER_MISMATCH,
        Refusal.NO_TRUSTED_ROOT,
    }
    assert names(b.state) == {"hospital.example", "insurer.example"}


@pytest.mark.parametrize(("fault", "value"), [("slow_drip", 0.05), ("slow_headers", 0.2)])
def test_a_slow_drip_is_stopped_by_the_wall_clock(bench, ti, fault, value):
    b = bench(deadline=1.0)
    setattr(ti.faults, fault, value)
    assert refused(b.step()) is Refusal.DEADLINE


@pytest.mark.parametrize(("fault", "value"), [("endless_body", True), ("oversized", 200_000)])
def test_a_body_over_its_cap_is_stopped_while_reading(bench, ti, fault, value):
    b = bench(limits=JwsLimits(total=100_000))
    setattr(ti.faults, fault, value)
    assert refused(b.step()) is Refusal.TOO_LARGE


def test_an_unreachable_source_is_no_end_of_the_list(bench, ti):
    b = bench()
    b.step()
    ti.stop()
    assert refused(b.step()) is Refusal.UNREACHABLE
    assert names(b.state) == {"hospital.example", "insurer.example"}
    ti.start()
    assert b.step().result == "confirmed"


def test_a_clock_that_went_back_is_refused(bench):
    b = bench()
    b.step()
    b.offset = -HOUR
    assert refused(b.step()) is Refusal.CLOCK_WENT_BACK
    b.offset = -dt.timedelta(minutes=4)
    assert refused(b.step()) is None


def test_minimum_version_counts_on_first_use(bench, ti):
    ti.version = 41
    assert refused(bench(minimum_version=42).step()) is Refusal.BELOW_MINIMUM_VERSION
    ti.version = 42
    assert refused(bench(minimum_version=42).step()) is None


def test_a_204_to_an_unconditional_request_confirms_nothing(bench, ti):
    ti.faults.always_204 = True
    b = bench()
    assert refused(b.step()) is Refusal.HTTP_STATUS
    assert b.state.in_force is None


def test_a_confirmation_is_refused_once_the_signer_is_revoked(bench, ti):
    first = bench()
    first.step()
    b = bench()
    b.trust.restore(first.trust.material)
    b.state = first.state
    ti.faults.revoked_signer = True
    assert refused(b.step()) is Refusal.REVOKED
    assert names(b.state) == {"hospital.example", "insurer.example"}


def test_test_certificates_are_refused_in_production(bench, ti):
    assert refused(bench(allow_test=False).step()) is Refusal.TEST_CERTIFICATE


def test_without_a_pinned_root_that_exists_nothing_is_trusted(bench):
    assert refused(bench(pins=["00" * 32]).step()) is Refusal.NO_TRUSTED_ROOT


def test_es256_only_when_allowed(bench, ti):
    assert refused(bench(algorithms=("ES256",)).step()) is None
    b = bench(algorithms=("BP256R1",))
    assert b.step().refusal is None
    assert b.state.in_force is not None


@pytest.mark.parametrize(
    "fault", ["ocsp_unavailable", "ocsp_stale", "ocsp_foreign", "ocsp_tampered", "ocsp_unknown"]
)
def test_soft_lets_through_what_nobody_speaks_about(bench, ti, fault):
    setattr(ti.faults, fault, True)
    assert refused(bench(mode=OcspMode.SOFT).step()) is None


@pytest.mark.parametrize("fault", ["revoked_signer", "revoked_sub_ca"])
def test_soft_refuses_what_is_known_as_revoked(bench, ti, fault):
    setattr(ti.faults, fault, True)
    assert refused(bench(mode=OcspMode.SOFT).step()) is Refusal.REVOKED


def test_off_asks_nobody(bench, ti):
    ti.faults.revoked_signer = True
    assert refused(bench(mode=OcspMode.OFF).step()) is None
    assert ti.count("/ocsp") == 0


def test_ocsp_answers_are_kept_until_their_next_update(bench, ti):
    b = bench()
    b.step()
    asked = ti.count("/ocsp")
    assert asked == 2
    ti.version += 1
    b.step()
    assert ti.count("/ocsp") == asked
    b.offset = ti.clock_offset = 5 * HOUR
    ti.version += 1
    assert b.step().refusal is None
    assert ti.count("/ocsp") == asked + 2


def test_what_was_stored_is_verified_again_without_any_network(bench, ti):
    b = bench()
    octets = b.step().data
    later = bench()
    later.trust.restore(b.trust.material)
    before = len(ti.requests)
    state = later.updater.restore(b.state.remembered, octets)
    assert names(state) == names(b.state)
    assert len(ti.requests) == before


def test_a_stored_list_that_was_tampered_with_is_not_used_and_its_version_stays_the_floor(bench, ti):
    b = bench()
    octets = b.step().data
    later = bench()
    later.trust.restore(b.trust.material)
    tampered = bytearray(octets)
    tampered[len(tampered) // 2] ^= 1
    later.state = later.updater.restore(b.state.remembered, tampered)
    assert later.state.in_force is None
    assert later.state.remembered == b.state.remembered
    ti.faults.rollback = 1
    assert refused(later.step()) is Refusal.ROLLBACK
    ti.faults.reset()
    assert later.step().refusal is None
    assert names(later.state) == names(b.state)


def test_an_older_genuine_list_in_the_store_is_not_used(bench, ti):
    b = bench()
    old = b.step().data
    ti.add("practice.example")
    b.step()
    later = bench()
    later.trust.restore(b.trust.material)
    assert later.updater.restore(b.state.remembered, old).in_force is None


def test_a_stored_list_counts_as_of_its_last_confirmation(bench, ti):
    """Its signer may have expired since: then it is stale, which is another decision than unverified."""
    b = bench()
    octets = b.step().data
    later = bench()
    later.trust.restore(b.trust.material)
    later.offset = dt.timedelta(days=4000)
    state = later.updater.restore(b.state.remembered, octets)
    assert names(state) == names(b.state)
    assert state.in_force.path.not_after < later.clock()
