"""Servers whose users log in through the gateway.

- ``clinic``: with Synapse's own single sign-on; with ``--with-workers`` it consists of several processes.
- ``practice``: with a stand-in for Matrix Authentication Service.
"""

import contextlib

import pytest

from synapse_tim.testing import SynapseServer, TiSimulator, WorkerDeployment
from synapse_tim.testing.simulator.mas.service import AuthenticationService, mas_config
from tests.gateway.e2e import world as w
from tests.gateway.e2e.world import RelyingParty


@pytest.fixture(scope="package")
def ti():
    with TiSimulator() as simulator:
        yield simulator


@pytest.fixture(scope="package")
def keys(tmp_path_factory):
    return w.Keys(tmp_path_factory.mktemp("gateway-keys"))


@pytest.fixture(scope="package")
def clinic(request, ti, keys, tmp_path_factory):
    """The broker is the only identity provider, so nobody has to choose."""
    directory = tmp_path_factory.mktemp("gateway") / "clinic"
    options = {"modules": [w.module(ti, "pro", {})], "extra": w.SSO}
    if request.config.getoption("--with-workers"):
        databases = [request.getfixturevalue(f"{kind}_server") for kind in ("postgres", "redis")]
        server = WorkerDeployment("clinic", directory, ti.world, *databases, n_workers=2, **options)
    else:
        server = SynapseServer("clinic", directory, ti.world, **options)
    client = w.synapse_client(server, keys)
    block = w.gateway(keys, [client], [w.upstream(ti, keys)])
    server.config["modules"] = [w.module(ti, "pro", {"providers": [w.broker(ti)]}, identity_gateway=block)]
    server.config["oidc_providers"] = [w.single_sign_on(server, client)]
    server.config["public_baseurl"] = f"{server.federation_url}/"
    ti.add(server.server_name)
    with contextlib.ExitStack() as stack:
        stack.callback(server.stop)
        server.start().wait()
        yield server


@pytest.fixture
def party(clinic, keys):
    """A relying party at the clinic, with the credentials of Synapse."""
    return RelyingParty(clinic, secret=(keys.directory / "synapse-secret").read_text())


@pytest.fixture(scope="package")
def practice(ti, keys, tmp_path_factory):
    """The service shows who it is with its own key (``private_key_jwt``)."""
    server = SynapseServer(
        "practice",
        tmp_path_factory.mktemp("gateway-mas") / "practice",
        ti.world,
        modules=[w.module(ti, "pro", {})],
        extra={"federation_domain_whitelist": []},
        mas={},
    )
    path, _ = keys.private("mas")
    provider = w.upstream_of_service(server)
    document = mas_config(
        server.server_name, server.client_url, provider, secrets={"keys": [{"key_file": path}]}
    )
    server.mas = AuthenticationService(document)
    server.config["matrix_authentication_service"] |= {
        "endpoint": server.mas.url,
        "secret": server.mas.config.secret,
    }
    client = {
        "client_id": "mas",
        "jwks_url": f"{server.mas.url}/oauth2/keys.json",
        "token_endpoint": provider["token_endpoint"],
        "redirect_uris": [f"{server.mas.url}/upstream/callback/{provider['id']}"],
        "backchannel_logout_uri": f"{server.mas.url}/upstream/backchannel-logout/{provider['id']}",
    }
    block = w.gateway(keys, [client], [w.upstream(ti, keys)])
    server.config["modules"] = [w.module(ti, "pro", {"providers": [w.broker(ti)]}, identity_gateway=block)]
    server.config["public_baseurl"] = f"{server.federation_url}/"
    ti.add(server.server_name)
    with contextlib.ExitStack() as stack:
        stack.callback(server.stop)
        server.start().wait()
        yield server
