"""The launcher's servers for one generation, with a test driver in front of them."""

import contextlib
import itertools
import sys

import httpx

from synapse_tim.testing import SynapseServer, TiSimulator, loopback, wait_for
from synapse_tim.testing.driver import DriverConfig, TestDriver
from synapse_tim.testing.http import Answer, LoopbackServer
from synapse_tim.testing.simulator.faults import Faults
from synapse_tim.testing.simulator.idp.cards import InsuredPerson
from tests.approval.actors import Interface
from tests.login.e2e.world import AUDIENCE, IK, OTHER_IK, Keys, log_in_body, sectoral
from tests.support.world import module, versions_at

DEVICES = 4
#: Of the insurers: an institution code belongs to one of them.
IKS = {"epa-a": IK, "epa-b": OTHER_IK}
_numbers = itertools.count(123456780)
#: Name and product; two servers of each.
SERVERS = (("pro-a", "pro"), ("pro-b", "pro"), ("epa-a", "epa"), ("epa-b", "epa"))


@contextlib.contextmanager
def serving(generation, directory, servers=SERVERS):
    """Interfaces to servers of a generation; ``legacy-1.1`` has no ePA."""
    legacy = generation == "legacy-1.1"
    with contextlib.ExitStack() as stack:
        ti = stack.enter_context(TiSimulator())
        policies = {"directory": ti.directory_config()} if legacy else {}
        insured = InsuredPersons(ti, directory)
        stack.callback(insured.close)
        running = {}
        for name, product in servers:
            if product == "epa" and legacy:
                continue
            server = SynapseServer(
                name,
                directory / name,
                ti.world,
                modules=[
                    module(
                        ti, product, generation, **policies, **(insured.policies if product == "epa" else {})
                    )
                ],
                extra={"federation_domain_whitelist": []},
            )
            stack.callback(server.stop)
            running[name] = server.start()
            ti.add(server.server_name, insurance=product == "epa", ik=[IKS[name]] if product == "epa" else [])
        for server in running.values():
            server.wait()
        for server in running.values():
            wait_for(lambda server=server: versions_at(server) == {ti.version}, what="the list")
        apis = {
            name: api(server, name, generation, directory, ti, dict(servers)[name], insured)
            for name, server in running.items()
        }
        name = next(iter(apis))
        apis["org-admin"] = {**apis[name], "role": "org-admin"}
        apis["org-admin"]["devices"] = [org_admin(running[name], directory, ti)]
        config = {
            "listen": "127.0.0.1:0",
            "directory": {"url": ti.directory_url, "ca_certificates": str(ti.ca_file)},
            "apis": apis,
        }
        driver = stack.enter_context(TestDriver(DriverConfig.model_validate(config)))
        http = stack.enter_context(httpx.Client(verify=loopback.NO_TLS, trust_env=False, timeout=300))
        urls = {**running, "org-admin": running[name]}
        yield [
            Interface.at(f"http://127.0.0.1:{driver.port}/{each}", http, urls[each].client_url)
            for each in apis
        ]


class InsuredPersons:
    """Logs insured persons in with ID tokens, as insurers have to; each token is good for one login."""

    def __init__(self, ti, directory):
        self._ti = ti
        path, self._key = Keys(directory).private("insurer")
        self.policies = {"login": {"providers": [sectoral(ti)], "decryption_keys": [path]}}
        self._server = LoopbackServer(0, self._body, lambda *_: None, Faults())
        self.close = self._server.close

    def _body(self, request):
        _, ik, kvnr = request.path.split("/")
        person = InsuredPerson(kvnr, ik, "Ina", f"Insured {kvnr}")
        token = self._ti.sectoral.mint(person, audience=AUDIENCE, encrypt_to=self._key.public_jwk)
        return Answer.of_json(log_in_body(token))

    def command(self, ik, kvnr):
        """Prints the body of a login."""
        program = "import sys, urllib.request as r; print(r.urlopen(sys.argv[1]).read().decode())"
        return [sys.executable, "-S", "-c", program, f"http://127.0.0.1:{self._server.port}/{ik}/{kvnr}"]


def api(server, name, generation, directory, ti, product, insured):
    """An interface with devices of practitioners or insured persons."""
    devices = []
    for number in range(1, DEVICES + 1):
        device = {"name": f"{name} {number}", "username": f"user{number}", "password": "password"}
        if product == "epa":
            device["login_command"] = insured.command(IKS[name], f"A{next(_numbers):09}")
        else:
            server.register(f"user{number}")
            entry = ti.entries.add_practitioner(f"Practitioner {name} {number}")
            token = directory / f"{name}-{number}.token"
            token.write_text(ti.owners.new_token(entry.telematik_id))
            device.update(owner_token=str(token), telematik_id=entry.telematik_id, card_name=entry.name)
        devices.append(device)
    return {
        "homeserver": {"name": server.server_name, "url": server.client_url},
        "product": product,
        "spec_version": generation,
        "devices": devices,
    }


def org_admin(server, directory, ti):
    """The device of an organisation."""
    server.register("org-admin")
    entry = ti.entries.add_organisation("Hospital of the Scenarios")
    token = directory / "org-admin.token"
    token.write_text(ti.owners.new_token(entry.telematik_id))
    return {
        "name": "org-admin",
        "username": "org-admin",
        "password": "password",
        "owner_token": str(token),
        "telematik_id": entry.telematik_id,
    }
