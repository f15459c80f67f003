"""The stored list on a running server: compiled, signed, edited, of an older release, too hungry."""

import attrs
import pytest

from synapse_tim.federation.compiled import CompiledList, Seal
from synapse_tim.federation.list import parse_payload
from synapse_tim.testing import SynapseServer, wait_for
from tests.federation.e2e.conftest import enforcing, version_of
from tests.support.world import in_database

pytestmark = [pytest.mark.servers, pytest.mark.one_process]

VERSION = "/_matrix/federation/v1/version"
COMPILED = "synapse_tim_federation_list_compiled"
CHUNKS = "synapse_tim_federation_list_chunk"


def status(origin, to):
    return origin.federation_request("GET", VERSION, to=to).status_code


def refused(server, reason):
    name = f'synapse_tim_federation_list_compiled_refused_total{{reason="{reason}"}}'
    return server.metrics().get(name, 0)


def stored_form(server):
    rows = in_database(server, f"SELECT data FROM {COMPILED} ORDER BY position", fetch=True)
    return b"".join(data for (data,) in rows)


def forged(server, *domains):
    """A compiled list with other members, made by somebody who has the secret of the homeserver."""
    seal = Seal.of(server.config["macaroon_secret_key"].encode(), server.server_name)
    found, certificates = seal.open(stored_form(server))
    rows = ",".join(f'{{"domain":"{each}","telematikID":"1","isInsurance":false}}' for each in domains)
    payload = f'{{"version":{found.content.version},"domainList":[{rows}]}}'.encode()
    other = CompiledList.of(parse_payload(payload), found.jws_digest, found.algorithm)
    path = attrs.make_class("Path", ["signer", "sub_ca"])(*certificates)
    return seal.close(other, path)


@pytest.fixture
def member(ti, start, tmp_path):
    server = start(SynapseServer("member", tmp_path / "member", ti.world))
    ti.add(server.server_name)
    return server


@pytest.fixture
def stranger(ti, start, tmp_path):
    return start(SynapseServer("stranger", tmp_path / "stranger", ti.world))


@pytest.fixture
def hospital(ti, member, start, tmp_path):
    """A server that has the list; neither it nor its source runs."""
    server = start(enforcing("hospital", tmp_path, ti))
    wait_for(lambda: status(member, server) == 200, what="the list")
    server.stop()
    ti.stop()
    return server


@pytest.mark.requirement("AF_10064-02", "A_26328")
def test_an_edited_database_does_not_become_a_list(hospital, member, stranger):
    in_database(hospital, f"UPDATE {COMPILED} SET data = {{0}}", (stored_form(hospital)[:-1] + b"x",))
    hospital.start().wait()
    wait_for(lambda: status(member, hospital) == 200, what="the signed list")
    assert status(stranger, hospital) == 403
    assert refused(hospital, "not_authentic") == 1
    assert "was not made by this homeserver" in hospital.log_text()
    hospital.restart()  # by now another one was made
    wait_for(lambda: status(member, hospital) == 200, what="the list")
    assert refused(hospital, "not_authentic") == 0


def test_a_contradiction_to_the_signed_list_is_refused(hospital, member, stranger):
    data = forged(hospital, hospital.server_name, member.server_name, stranger.server_name)
    in_database(hospital, f"UPDATE {COMPILED} SET data = {{0}}", (data,))
    hospital.start().wait()
    wait_for(lambda: refused(hospital, "contradiction") == 1, what="the refusal")
    wait_for(lambda: status(stranger, hospital) == 403, what="the signed list")
    assert status(member, hospital) == 200
    assert "contradicts the signed one" in hospital.log_text()


def test_a_signed_list_that_does_not_verify_denies_until_there_is_another(hospital, member, ti):
    in_database(hospital, f"UPDATE {CHUNKS} SET data = x'00'")
    hospital.start().wait()
    wait_for(lambda: refused(hospital, "contradiction") == 1, what="the refusal")
    wait_for(lambda: status(member, hospital) == 403, what="nobody to be allowed")
    alice, nurse = hospital.register("alice"), hospital.register("nurse")
    assert nurse.join(alice.create_room(invite=[nurse.user_id])).status_code == 200
    ti.start()
    wait_for(lambda: status(member, hospital) == 200, what="the list to be fetched anew")


def test_a_list_that_an_older_release_has_stored_is_used(hospital, member):
    in_database(hospital, f"DROP TABLE {COMPILED}")
    hospital.start().wait()
    wait_for(lambda: status(member, hospital) == 200, what="the stored list")
    wait_for(lambda: stored_form(hospital), what="the compiled list")


def test_a_changed_secret_costs_time_and_nothing_else(hospital, member, stranger):
    hospital.config["macaroon_secret_key"] = "another"
    hospital.start().wait()
    wait_for(lambda: status(member, hospital) == 200, what="the signed list")
    assert status(stranger, hospital) == 403


def test_a_signed_list_that_takes_too_much_memory_is_refused_by_name(ti, member, start, tmp_path):
    hospital = start(enforcing("hospital", tmp_path, ti))
    wait_for(lambda: status(member, hospital) == 200, what="the list")
    before, version = ti.version, version_of(hospital)
    hungry = b'{"version":%d,"domainList":[' % (before + 1) + b"[],[],[],[]," * 3_500_000 + b"[]]}"
    ti.directory.payload = lambda **_: hungry
    ti.version = before + 1
    name = 'synapse_tim_federation_list_updates_total{result="reader_out_of_memory"}'
    wait_for(lambda: hospital.metrics().get(name, 0) > 0, what="the refusal")
    assert version_of(hospital) == version
    assert status(member, hospital) == 200
