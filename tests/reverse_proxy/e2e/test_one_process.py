"""The reverse proxies of contrib in front of a homeserver of one process."""

import contextlib

import pytest

from synapse_tim.testing import SynapseServer, wait_for
from synapse_tim.testing.ports import free_port
from tests.login.e2e.world import central
from tests.support.reverse_proxies import (
    IK,
    KEPT_AWAY,
    PASSED,
    Proxy,
    check_clients,
    check_federation,
    needs,
)
from tests.support.world import module

pytestmark = [pytest.mark.servers, pytest.mark.one_process]


def behind_a_proxy(ti, name, port):
    """Options of a server that is named after a port of the proxy."""
    information = {
        "client_report": True,
        "support": {"contacts": [{"role": "m.role.admin", "email_address": "support@clinic.example"}]},
    }
    login = {"providers": [central(ti)], "permitted": ["id_token", "password"]}
    permissions = {"default": {"defaultSetting": "allow all"}}
    block = module(ti, "pro", login=login, information=information, permissions=permissions)
    return {
        "server_name": name,
        "modules": [block],
        "extra": {
            "federation_domain_whitelist": [],
            "serve_server_wellknown": True,
            "public_baseurl": f"https://localhost:{port}/",
        },
    }


def listed(ti, clinic, other):
    """Both in the list in force, and an insurer."""
    ti.add(clinic.server_name)
    ti.add(other.server_name)
    ti.add("insurer.example", insurance=True, ik=[IK])
    version = "synapse_tim_federation_list_version"
    processes = (clinic, *getattr(clinic, "workers", ()))
    wait_for(lambda: {each.metrics().get(version) for each in processes} == {ti.version}, what="the list")


@pytest.fixture(scope="module")
def port():
    """Of the name of the clinic: where other servers find it."""
    return free_port()


@pytest.fixture(scope="module")
def servers(module_ti, port, tmp_path_factory):
    """A clinic, and another server, which enforces nothing."""
    directory = tmp_path_factory.mktemp("behind_proxies")
    clinic = SynapseServer(
        "clinic",
        directory / "clinic",
        module_ti.world,
        **behind_a_proxy(module_ti, f"localhost:{port}", port),
    )
    lax = SynapseServer("lax", directory / "lax", module_ti.world)
    with contextlib.ExitStack() as stack:
        for server in (clinic, lax):
            stack.callback(server.stop)
            server.start()
        for server in (clinic, lax):
            server.wait()
        listed(module_ti, clinic, lax)
        clinic.register("somebody")
        yield clinic, lax


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(file, marks=needs(file.partition(".")[0])) for file in ("nginx.conf", "haproxy.cfg")
    ],
)
def proxy(request, servers, port, tmp_path_factory):
    clinic, _ = servers
    directory = tmp_path_factory.mktemp("proxy") / "proxy"
    proxy = Proxy(request.param, directory, clinic, {":8008": clinic.ports.client}, port)
    try:
        yield proxy.start()
    finally:
        proxy.stop()


def test_what_the_modules_serve_is_passed_and_nothing_else(proxy):
    assert [path for path in PASSED if not proxy.is_passed(path)] == []
    assert [path for path in KEPT_AWAY if proxy.is_passed(path)] == []


def test_clients_use_it(proxy, servers):
    check_clients(proxy, servers[0], "somebody")


def test_other_servers_reach_it(proxy, servers):
    clinic, lax = servers
    check_federation(proxy, clinic, lax)
    inviter = lax.register(f"inviter{proxy.federation}{proxy.https}")
    room = inviter.create_room(preset="private_chat", room_version="10")
    inviter.invite(room, f"@somebody:{clinic.server_name}").raise_for_status()
    headers, _ = proxy.log_in("somebody")
    joined = proxy.client.post(f"/_matrix/client/v3/join/{room}", json={}, headers=headers)
    assert joined.status_code == 200, joined.text
    assert f"@somebody:{clinic.server_name}" in inviter.members(room)


def test_questions_are_limited(proxy):
    statuses = [proxy.client.get("/tim-information").status_code for _ in range(70)]
    assert statuses[0] != 429
    assert 429 in statuses
