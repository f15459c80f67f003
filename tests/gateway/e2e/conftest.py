"""A clinic whose users log in through the gateway and Synapse's own single sign-on."""

import contextlib

import pytest

from synapse_tim.testing import SynapseServer, TiSimulator
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
def clinic(ti, keys, tmp_path_factory):
    """The broker is the only identity provider, so nobody has to choose."""
    server = SynapseServer(
        "clinic",
        tmp_path_factory.mktemp("gateway") / "clinic",
        ti.world,
        modules=[w.module(ti, "pro", {})],
        extra=w.SSO,
    )
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
