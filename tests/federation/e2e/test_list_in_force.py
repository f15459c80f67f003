"""The list in force on a running server: faults, staleness, restarts, unknown servers, metrics, log."""

import re

import pytest

from synapse_tim.testing import SynapseServer, loopback, wait_for
from tests.federation.e2e.conftest import enforcing, version_of
from tests.monitoring.names import ALERTS, FOREIGN, in_expression

pytestmark = pytest.mark.servers

VERSION = "/_matrix/federation/v1/version"


def updates(server, result):
    return server.metrics().get(f'synapse_tim_federation_list_updates_total{{result="{result}"}}', 0)


def status(origin, to):
    return origin.federation_request("GET", VERSION, to=to).status_code


@pytest.mark.parametrize(
    ("fault", "value", "reason"),
    [
        ("bad_signature", True, "signature_invalid"),
        ("wrong_role", True, "signer_role"),
        ("rollback", 2, "rollback"),
        ("expired_signer", True, "certificate_expired"),
        ("redirect", "/elsewhere", "redirect"),
        ("status", 503, "http_status"),
    ],
)
@pytest.mark.requirement("A_25632")
def test_r1_7_a_bad_list_is_refused_and_the_one_in_force_stays(federation, fault, value, reason):
    f = federation
    before = f.ti.version
    counted = updates(f.hospital, reason)
    f.ti.add(f.stranger.server_name)
    setattr(f.ti.faults, fault, value)
    wait_for(lambda: updates(f.hospital, reason) > counted, what=f"the refusal {reason}")
    if fault != "rollback":  # the true list may have been read just before the fault was switched on
        assert version_of(f.hospital) in (before, f.ti.version)
    assert status(f.practice, f.hospital) == 200


def test_a_forged_list_lets_nobody_in(ti, start, tmp_path):
    stranger = start(SynapseServer("stranger", tmp_path / "stranger", ti.world))
    hospital = start(enforcing("hospital", tmp_path, ti))
    wait_for(lambda: updates(hospital, "accepted") == 1, what="the first list")
    ti.faults.bad_signature = True
    ti.add(stranger.server_name)
    wait_for(lambda: updates(hospital, "signature_invalid") > 0, what="the refusal")
    assert status(stranger, hospital) == 403
    ti.faults.reset()
    wait_for(lambda: status(stranger, hospital) == 200, what="the genuine list")


@pytest.mark.parametrize("fault", ["revoked_signer", "revoked_sub_ca"])
@pytest.mark.requirement("A_25632")
def test_a_25635_a_list_whose_signer_was_revoked_lets_nobody_in(ti, start, tmp_path, fault):
    stranger = start(SynapseServer("stranger", tmp_path / "stranger", ti.world))
    ti.add(stranger.server_name)
    setattr(ti.faults, fault, True)
    hospital = start(enforcing("hospital", tmp_path, ti))
    wait_for(lambda: updates(hospital, "revoked") > 0, what="the refusal")
    assert status(stranger, hospital) == 403
    assert version_of(hospital) == 0
    ti.faults.reset()
    hospital.restart()  # an answer of the responder counts for as long as it says
    wait_for(lambda: status(stranger, hospital) == 200, what="the answer that all is well")


def test_r1_14_without_any_list_local_traffic_and_log_in_go_on(ti, start, tmp_path):
    ti.stop()
    hospital = start(enforcing("hospital", tmp_path, ti))
    member = start(SynapseServer("member", tmp_path / "member", ti.world))
    wait_for(lambda: updates(hospital, "unreachable") > 0, what="the first attempt")
    alice, nurse = hospital.register("alice"), hospital.register("nurse")
    room = alice.create_room(invite=[nurse.user_id])
    assert nurse.join(room).status_code == 200
    assert nurse.log_in(hospital.client_url, "nurse", "password").user_id == nurse.user_id
    refused = alice.try_create_room(invite=[f"@bob:{member.server_name}"])
    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "30")
    assert "no current" in refused.json()["error"]
    assert status(member, hospital) == 403
    assert hospital.metrics()["synapse_tim_federation_list_stale"] == 1
    ti.add(member.server_name)
    ti.start()
    wait_for(lambda: status(member, hospital) == 200, what="the first list")


def test_r1_13_a_restart_without_the_source_goes_on_with_the_stored_list(ti, start, tmp_path):
    member = start(SynapseServer("member", tmp_path / "member", ti.world))
    ti.add(member.server_name)
    hospital = start(enforcing("hospital", tmp_path, ti))
    wait_for(lambda: status(member, hospital) == 200, what="the list")
    ti.stop()
    hospital.restart()
    wait_for(lambda: status(member, hospital) == 200, what="the stored list")
    assert version_of(hospital) == ti.version


def test_rollback_is_remembered_over_a_restart(ti, start, tmp_path):
    member = start(SynapseServer("member", tmp_path / "member", ti.world))
    ti.add(member.server_name)
    hospital = start(enforcing("hospital", tmp_path, ti))
    wait_for(lambda: version_of(hospital) == ti.version, what="the list")
    ti.remove(member.server_name)
    wait_for(lambda: status(member, hospital) == 403, what="the removal")
    ti.faults.rollback = 1
    hospital.restart()
    wait_for(lambda: updates(hospital, "rollback") > 0, what="the refusal")
    assert status(member, hospital) == 403


@pytest.mark.parametrize(("on_stale", "expected"), [("deny", 403), ("keep", 200)])
def test_r1_11_a_stale_list_denies_remote_traffic_unless_it_is_kept(ti, start, tmp_path, on_stale, expected):
    member = start(SynapseServer("member", tmp_path / "member", ti.world))
    ti.add(member.server_name)
    hospital = start(enforcing("hospital", tmp_path, ti, max_age="3s", on_stale=on_stale))
    wait_for(lambda: status(member, hospital) == 200, what="the list")
    ti.stop()
    wait_for(
        lambda: hospital.metrics()["synapse_tim_federation_list_stale"] == 1,
        what="the list to go stale",
    )
    assert status(member, hospital) == expected
    alice, nurse = hospital.register("alice"), hospital.register("nurse")
    room = alice.create_room(invite=[nurse.user_id])
    assert nurse.join(room).status_code == 200
    ti.start()
    wait_for(lambda: status(member, hospital) == 200, what="the list to be confirmed")
    wait_for(
        lambda: hospital.metrics()["synapse_tim_federation_list_stale"] == 0,
        what="the list to be fresh again",
    )


def test_a_25537_an_unknown_server_makes_the_list_be_fetched_once(ti, start, tmp_path):
    member = start(SynapseServer("member", tmp_path / "member", ti.world))
    hospital = start(enforcing("hospital", tmp_path, ti, refresh_interval="1h", max_age="72h"))
    wait_for(lambda: updates(hospital, "accepted") == 1, what="the first list")
    alice = hospital.register("alice")
    fetched = ti.count("/list")
    ti.add(member.server_name)
    refused = alice.try_create_room(invite=[f"@bob:{member.server_name}"])
    assert refused.status_code == 403  # the verdict meanwhile is that of the list in force
    wait_for(lambda: status(member, hospital) == 200, what="the list fetched out of turn")
    assert ti.count("/list") == fetched + 1
    for i in range(50):
        assert alice.try_create_room(invite=[f"@bob:unknown{i}.example"]).status_code == 403
    wait_for(lambda: hospital.metrics(), what="the metrics")
    assert ti.count("/list") == fetched + 1


def test_the_directory_itself_can_be_the_source(ti, start, tmp_path):
    member = start(SynapseServer("member", tmp_path / "member", ti.world))
    ti.add(member.server_name)
    hospital = start(
        enforcing("hospital", tmp_path, ti, url=ti.directory_list_url, vzd_credentials=ti.vzd_credentials)
    )
    wait_for(lambda: status(member, hospital) == 200, what="the list")


def test_a_wrong_product_is_an_error_in_the_log_and_a_metric(ti, start, tmp_path):
    clinic = enforcing("clinic", tmp_path, ti, product="epa")
    ti.add(clinic.server_name)
    start(clinic)
    wait_for(lambda: clinic.metrics().get("synapse_tim_product_mismatch") == 1, what="the metric")
    assert "product: epa is configured" in clinic.log_text()
    ti.add(clinic.server_name, insurance=True)
    wait_for(lambda: clinic.metrics()["synapse_tim_product_mismatch"] == 0, what="the change")


def test_design_2_4_the_metrics_are_on_synapses_listener(federation):
    metrics = federation.hospital.metrics()
    assert metrics["synapse_tim_federation_list_version"] == federation.ti.version
    assert metrics["synapse_tim_federation_list_domains"] == 4
    for name in ("last_confirmed_timestamp_seconds", "signer_expiry_timestamp_seconds"):
        assert metrics[f"synapse_tim_federation_list_{name}"] > 1_700_000_000
    assert metrics["synapse_tim_federation_list_update_duration_seconds_count"] > 0
    federation.stranger.federation_request("GET", VERSION, to=federation.hospital)
    denied = 'synapse_tim_decisions_total{outcome="denied",policy="federation",rule="AF_10064-02"}'
    assert federation.hospital.metrics()[denied] > metrics.get(denied, 0)


def test_the_metrics_of_the_alerts_are_on_synapses_listener(federation):
    """Also those that have not counted anything yet: they are announced, without a series."""
    text = loopback.get(federation.hospital.metrics_url).text
    announced = set(re.findall(r"^# TYPE (\S+) ", text, re.MULTILINE))
    named = {name for expression in ALERTS for name, _ in in_expression(expression)}
    assert len(named) > 10
    assert named <= announced
    for name in FOREIGN:
        assert re.search(rf"^{name}\{{", text, re.MULTILINE)


@pytest.mark.requirement("A_22817")
def test_a_22813_the_log_names_no_user_and_no_room(federation):
    alice, stranger = federation.user(federation.hospital), federation.user(federation.stranger)
    alice.try_create_room(invite=[stranger.user_id])
    lines = [line for line in federation.hospital.log_text().splitlines() if " synapse_tim" in line]
    assert lines
    for line in lines:
        message = line.split(" synapse_tim", 1)[1]
        assert "@" not in message
        assert "!" not in message


def test_a_server_stops_at_once_while_its_source_drips(ti, start, tmp_path):
    hospital = start(enforcing("hospital", tmp_path, ti))
    wait_for(lambda: updates(hospital, "accepted") == 1, what="the first list")
    ti.faults.slow_drip = 0.5
    asked = ti.count("/list")
    ti.version += 1
    wait_for(lambda: ti.count("/list") > asked or version_of(hospital), what="the request")
    hospital.stop()
    assert hospital.processes[0].returncode == 0
