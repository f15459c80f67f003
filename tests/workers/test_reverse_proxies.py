"""The reverse proxies of contrib in front of a main process and two workers."""

import pytest

from synapse_tim.testing import SynapseServer, loopback
from synapse_tim.testing.ports import free_port
from tests.reverse_proxy.e2e.test_one_process import behind_a_proxy, listed
from tests.support.reverse_proxies import (
    CLIENT,
    KEPT_AWAY,
    PASSED,
    Proxy,
    check_clients,
    check_federation,
    needs,
)

pytestmark = pytest.mark.workers


@pytest.fixture
def deployment(ti, worker_deployment, tmp_path, start):
    port = free_port()
    clinic = worker_deployment(
        "clinic", n_workers=2, tls_ca=ti.world, **behind_a_proxy(ti, f"localhost:{port}", port)
    )
    lax = start(SynapseServer("lax", tmp_path / "lax", ti.world))
    listed(ti, clinic, lax)
    clinic.register("somebody")
    return clinic, lax, port


@needs("nginx")
@needs("haproxy")
def test_each_request_gets_to_a_process_that_serves_it(deployment, tmp_path):
    clinic, lax, port = deployment
    first, second = clinic.workers
    ports = {":8008": clinic.ports.client, ":8081": first.client_port, ":8082": second.client_port}
    for file in ("nginx-workers.conf", "haproxy-workers.cfg"):
        proxy = Proxy(file, tmp_path / file, clinic, ports, port)
        proxy.start()
        try:
            assert [path for path in PASSED if not proxy.is_passed(path)] == []
            assert [path for path in KEPT_AWAY if proxy.is_passed(path)] == []
            check_clients(proxy, clinic, "somebody")
            check_federation(proxy, clinic, lax)
            inviter = lax.register(f"inviter{proxy.https}")
            room = inviter.create_room(preset="private_chat", room_version="10")
            inviter.invite(room, f"@somebody:{clinic.server_name}").raise_for_status()
            headers, _ = proxy.log_in("somebody")
            joined = proxy.client.post(f"{CLIENT}/join/{room}", json={}, headers=headers)
            assert joined.status_code == 200, joined.text
        finally:
            proxy.stop()
    assert "GET /_matrix/client/v3/sync" in first.log_text()
    assert "/_matrix/federation/v2/invite" in second.log_text()
    assert loopback.get(f"{clinic.client_url}/_synapse/admin/v1/server_version").status_code == 200
