"""A real Synapse that looks users up, and somebody who makes it do so."""

import contextlib

import attrs
import pytest

from synapse_tim.testing import SynapseServer, TiSimulator, loopback, wait_for
from synapse_tim.testing.paths import LOCALIZATION
from tests.support.world import module

#: A module of Synapse's that does nothing but ask.
ASKER = """
from synapse.module_api import DirectServeJsonResource

from synapse_tim.adapter import registry
from synapse_tim.directory.module import Directory
from synapse_tim.directory.failures import DirectoryError


class Resource(DirectServeJsonResource):
    def __init__(self, api):
        super().__init__()
        self.directory = registry.require(api, "Directory", "Asker")

    async def _async_render_GET(self, request):
        try:
            found = await self.directory.owner_type(request.args[b"user"][0].decode())
        except DirectoryError as error:
            return 502, {"reason": error.reason.value}
        return 200, {"found": found.value}


class Asker:
    def __init__(self, config, api):
        api.register_web_resource("/_test/owner_type", Resource(api))

    @staticmethod
    def parse_config(config):
        return None
"""


@attrs.frozen
class DirectoryWorld:
    """The TI and the server."""

    ti: TiSimulator
    server: SynapseServer

    def ask(self, user_id):
        """What it finds, or why it finds nothing."""
        url = f"{self.server.client_url}/_test/owner_type"
        response = loopback.get(url, params={"user": user_id})
        assert response.status_code in (200, 502)
        return response.json().get("found") or response.json()["reason"]

    def metric(self, name, **labels):
        text = ",".join(f'{label}="{value}"' for label, value in labels.items())
        return self.server.metrics().get(f"{name}{{{text}}}" if text else name, 0)


@pytest.fixture(scope="package")
def running(tmp_path_factory):
    directory = tmp_path_factory.mktemp("directory")
    (directory / "asker.py").write_text(ASKER)
    with contextlib.ExitStack() as stack, pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(directory))
        ti = stack.enter_context(TiSimulator())
        listed = ti.federation_list_config(url=ti.directory_list_url, vzd_credentials=ti.vzd_credentials)
        server = SynapseServer(
            "clinic",
            directory / "clinic",
            ti.world,
            modules=[
                module(ti, federation_list=listed),
                {
                    "module": "synapse_tim.Directory",
                    "config": {
                        "product": "pro",
                        "spec_version": "1.2",
                        "directory": {"url": ti.directory_url, "deadline": "3s"},
                    },
                },
                {"module": "asker.Asker", "config": {}},
            ],
            extra={"federation_domain_whitelist": []},
        )
        stack.callback(server.stop)
        ti.add(server.server_name)
        server.start().wait()
        name = "synapse_tim_federation_list_own_domain_listed"
        wait_for(lambda: server.metrics().get(name) == 1, what="the list")
        yield DirectoryWorld(ti, server)


@pytest.fixture
def world(running):
    running.ti.faults.reset()
    running.ti.faults.paths = (LOCALIZATION,)
    running.ti.entries.clear()
    return running
