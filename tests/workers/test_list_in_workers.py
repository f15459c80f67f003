"""One process fetches, every process enforces: PostgreSQL, Redis and generic workers."""

import pytest

from synapse_tim.testing import SynapseServer, loopback, wait_for
from synapse_tim.testing.servers.mirror import MirrorServer

pytestmark = pytest.mark.workers

VERSION = "/_matrix/federation/v1/version"


@pytest.fixture
def ti(ti_simulator):
    return ti_simulator()


def module(ti, **federation_list):
    return {
        "module": "synapse_tim.TiMessenger",
        "config": {
            "product": "pro",
            "spec_version": "1.2",
            "federation_list": ti.federation_list_config(**federation_list),
        },
    }


@pytest.fixture
def clinic(ti, worker_deployment):
    """A homeserver with two workers; the first one serves federation."""

    def make(extra=None, **federation_list):
        return worker_deployment(
            "clinic",
            n_workers=2,
            tls_ca=ti.world,
            modules=[module(ti, **federation_list)],
            extra={"federation_domain_whitelist": [], **(extra or {})},
        )

    return make


@pytest.fixture
def member(ti, synapse_server):
    """A listed server without the module."""
    server = synapse_server("member", tls_ca=ti.world)
    ti.add(server.server_name)
    return server


def version(metrics):
    return metrics.get("synapse_tim_federation_list_version", 0)


def everywhere(clinic):
    return [version(clinic.metrics()), *(version(worker.metrics()) for worker in clinic.workers)]


def status(origin: SynapseServer, clinic, worker=None):
    if worker is None:
        return origin.federation_request("GET", VERSION, to=clinic).status_code
    headers = origin.federation.headers("GET", VERSION, clinic.server_name)
    return loopback.get(worker.client_url + VERSION, headers=headers).status_code


@pytest.mark.requirement("AF_10064-02", "AF_10061-04", "AF_10062-03")
def test_every_process_enforces_the_list_and_one_fetches_it(ti, clinic, member):
    clinic = clinic()
    ti.add(clinic.server_name)
    wait_for(lambda: set(everywhere(clinic)) == {ti.version}, what="all processes")
    for worker in clinic.workers:
        assert status(member, clinic, worker) == 200
        assert worker.metrics()["synapse_tim_federation_list_stale"] == 0
        assert not any("updates_total" in name for name in worker.metrics() if "result=" in name)
        assert "federation list was not updated" not in worker.log_text()
    fetches = clinic.metrics()
    attempts = sum(value for name, value in fetches.items() if "list_updates_total" in name)
    assert ti.count("/list") <= attempts + 1  # a request of the next attempt may be under way
    # Clients of a worker get what clients of the main process get.
    user = clinic.register("user")
    through_worker = user.at(clinic.workers[1].client_url)
    assert through_worker.try_create_room(invite=["@x:unlisted.example"]).status_code == 403
    bob = member.register("bob")
    room = through_worker.create_room(invite=[bob.user_id])
    wait_for(lambda: room in bob.invited_to(), what="the invitation")
    bob.join(room, via=[clinic.server_name]).raise_for_status()
    bob.send(room, "hello").raise_for_status()
    wait_for(lambda: "hello" in through_worker.texts(room), what="the message")


@pytest.mark.requirement("AF_10064-02")
def test_a_removal_is_in_force_everywhere_at_once(ti, clinic, member):
    """Workers are told; they would look by themselves only once a minute."""
    clinic = clinic()
    wait_for(lambda: set(everywhere(clinic)) == {ti.version}, what="all processes")
    assert [status(member, clinic, worker) for worker in clinic.workers] == [200, 200]
    ti.remove(member.server_name)
    wait_for(lambda: version(clinic.metrics()) == ti.version, what="the main process")
    wait_for(
        lambda: [status(member, clinic, worker) for worker in clinic.workers] == [403, 403],
        timeout=30,
        what="both workers",
    )
    assert status(member, clinic) == 403
    user = clinic.register("user").at(clinic.workers[1].client_url)
    assert user.try_create_room(invite=[f"@bob:{member.server_name}"]).status_code == 403
    ti.add(member.server_name)
    wait_for(lambda: version(clinic.metrics()) == ti.version, what="the main process")
    wait_for(
        lambda: [status(member, clinic, worker) for worker in clinic.workers] == [200, 200],
        timeout=30,
        what="both workers",
    )


def test_a_26331_workers_demand_a_signature_too(ti, clinic):
    clinic = clinic()
    answer = clinic.anonymous_request("GET", VERSION)
    assert (answer.status_code, answer.json()["errcode"]) == (401, "M_UNAUTHORIZED")
    assert clinic.anonymous_request("GET", "/_matrix/key/v2/server").status_code == 200


def test_r1_13_all_processes_go_on_with_the_stored_list_after_a_restart(ti, clinic, member):
    clinic = clinic()
    wait_for(lambda: set(everywhere(clinic)) == {ti.version}, what="all processes")
    ti.stop()
    clinic.restart()
    wait_for(lambda: set(everywhere(clinic)) == {ti.version}, what="all processes")
    assert [status(member, clinic, worker) for worker in clinic.workers] == [200, 200]


def test_a_25537_an_unknown_server_at_a_worker_makes_the_main_process_fetch(ti, clinic, synapse_server):
    clinic = clinic(refresh_interval="1h", max_age="72h")
    wait_for(lambda: set(everywhere(clinic)) == {ti.version}, what="the first list")
    newcomer = synapse_server("newcomer", tls_ca=ti.world)
    ti.add(newcomer.server_name)
    fetched = ti.count("/list")
    assert status(newcomer, clinic, clinic.workers[0]) == 403
    wait_for(lambda: status(newcomer, clinic, clinic.workers[0]) == 200, what="the newcomer")
    assert status(newcomer, clinic, clinic.workers[1]) == 200
    assert ti.count("/list") == fetched + 1


def test_background_tasks_may_run_on_a_worker(ti, clinic, member):
    """Then that worker fetches, and the main process follows."""
    clinic = clinic(extra={"run_background_tasks_on": "worker1"})
    wait_for(lambda: set(everywhere(clinic)) == {ti.version}, what="all processes")
    name = 'synapse_tim_federation_list_updates_total{result="accepted"}'
    assert clinic.workers[0].metrics()[name] >= 1
    assert name not in clinic.metrics()
    ti.remove(member.server_name)
    wait_for(lambda: status(member, clinic) == 403, what="the removal")


def test_all_processes_follow_a_mirror(ti, clinic, member, tmp_path):
    """And nothing else: the source is down when they start."""
    mirror = MirrorServer(tmp_path / "mirror", ti).start()
    try:
        wait_for(lambda: version(mirror.metrics()) == ti.version, what="the mirror")
        ti.stop()
        clinic = clinic(**mirror.list_config(ti))
        wait_for(lambda: set(everywhere(clinic)) == {ti.version}, what="all processes")
        assert [status(member, clinic, worker) for worker in clinic.workers] == [200, 200]
        ti.start()
        ti.remove(member.server_name)
        wait_for(lambda: set(everywhere(clinic)) == {ti.version}, what="the removal")
        assert [status(member, clinic, worker) for worker in clinic.workers] == [403, 403]
    finally:
        mirror.stop()


def test_a_stale_list_denies_in_every_process(ti, clinic, member):
    clinic = clinic(max_age="3s")
    wait_for(lambda: set(everywhere(clinic)) == {ti.version}, what="all processes")
    ti.stop()
    wait_for(
        lambda: [status(member, clinic, worker) for worker in clinic.workers] == [403, 403],
        what="the list to go stale",
    )
    ti.start()
    wait_for(
        lambda: [status(member, clinic, worker) for worker in clinic.workers] == [200, 200],
        what="the list to be confirmed",
    )


def refused(process, reason):
    name = f'synapse_tim_federation_list_compiled_refused_total{{reason="{reason}"}}'
    return process.metrics().get(name, 0)


def restart_a_worker(clinic):
    clinic.workers[0].process.start()
    clinic.wait()


def test_a_worker_has_the_compiled_list_and_verifies_the_signed_one(ti, clinic, member, postgres_server):
    """Edited by somebody while a worker is down: it refuses what is wrong, and the others go on."""
    clinic = clinic()
    wait_for(lambda: set(everywhere(clinic)) == {ti.version}, what="all processes")
    worker = clinic.workers[0]
    ti.stop()
    # Not authentic: the signed list is used.
    worker.process.stop()
    edited = "UPDATE synapse_tim_federation_list_compiled SET data = overlay(data placing 'x' from 100)"
    postgres_server.query(clinic.database, edited.replace("'x'", "'x'::bytea"))
    restart_a_worker(clinic)
    wait_for(lambda: refused(worker, "not_authentic") == 1, what="the refusal")
    wait_for(lambda: status(member, clinic, worker) == 200, what="the signed list")
    # The process that fetches makes another one when it starts.
    clinic.restart()
    wait_for(lambda: [status(member, clinic, each) for each in clinic.workers] == [200, 200], what="the list")
    # Authentic, but the signed list does not verify: nobody is allowed there.
    worker.process.stop()
    damaged = "UPDATE synapse_tim_federation_list_chunk SET data = '\\x00'::bytea"
    postgres_server.query(clinic.database, damaged)
    restart_a_worker(clinic)
    wait_for(lambda: refused(worker, "contradiction") == 1, what="the contradiction")
    wait_for(lambda: status(member, clinic, worker) == 403, what="nobody to be allowed")
    assert "remote traffic is denied" in worker.log_text()
    assert status(member, clinic, clinic.workers[1]) == 200
    # A restart of the process that fetches puts it right for all.
    ti.start()
    clinic.restart()
    wait_for(lambda: [status(member, clinic, each) for each in clinic.workers] == [200, 200], what="the list")
