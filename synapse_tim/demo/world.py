"""The servers of the demo: hospital, practice, ward, insurer, outsider, and the TI that they follow."""

import contextlib
import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Self

from synapse_tim.demo.gateway import add_gateway, private_key
from synapse_tim.testing import ChildFailedError, MatrixUser, SynapseServer, TiSimulator, make_world, wait_for
from synapse_tim.testing.simulator.idp.cards import INSURED_PERSONS

#: Throw-away servers on loopback: everyone may know it.
PASSWORD: Final = "demo-password"  # noqa: S105

#: What the identity providers call the app that people log in with.
AUDIENCE: Final = "messenger-app"

#: On a slow machine five servers that start together take their time.
_WITHOUT_PROGRESS_SECONDS: Final = 300.0
_JWKS: Final = "/_synapse/client/synapse_tim/jwks.json"
#: Physicians, hospitals and practices.
_PROFESSIONS: Final = ["1.2.276.0.76.4.30", "1.2.276.0.76.4.50", "1.2.276.0.76.4.53"]
#: The institution code of the insurer.
_IK: Final = INSURED_PERSONS["erika"].ik


class DemoWorld:
    """Five started servers and a directory that lists four of them.

    Args:
        directory: for everything that they write.
        say: is told what is being waited for.

    Raises:
        ChildFailedError: a server ended, does not get on, or does not get the list.

    Attributes:
        ti: the simulated TI.
        hospital: a member, product pro.
        practice: a member, product pro.
        ward: a member, product pro of the legacy generation.
        insurer: a member, product epa.
        outsider: a stock Synapse that is not in the list.
    """

    def __init__(self, directory: Path, say: Callable[[str], None] = lambda what: None) -> None:
        self._stack = contextlib.ExitStack()
        with contextlib.ExitStack() as undo:
            world = make_world()
            self.ti = undo.enter_context(TiSimulator(world))
            self.outsider = SynapseServer("outsider", directory / "outsider", world)
            self.hospital = self._member("hospital", directory, "pro")
            add_gateway(self.hospital, directory, "idp-dienst")
            self.practice = self._member("practice", directory, "pro")
            self.ward = self._member("ward", directory, "pro", "legacy-1.1")
            self.insurer = self._member("insurer", directory, "epa")
            for server in self.servers:
                undo.callback(server.stop)
                server.start()
            self.ti.sectoral.client_jwks_url = f"{self.insurer.client_url}{_JWKS}"
            for server in self.members:
                insurance = server is self.insurer
                self.ti.add(server.server_name, insurance=insurance, ik=[_IK] if insurance else [])
            for number, server in enumerate(self.servers, 1):
                say(f"Starting {server.name} ({number} of {len(self.servers)})")
                server.wait(_WITHOUT_PROGRESS_SECONDS)
            say("Registering users")
            self.doctor = self.hospital.register("doctor", password=PASSWORD)
            self.nurse = self.hospital.register("nurse", password=PASSWORD)
            self.physician = self.practice.register("physician", password=PASSWORD)
            self.sister = self.ward.register("sister", password=PASSWORD)
            self.reception = self.ward.register("reception", password=PASSWORD)
            self.insured = self.insurer.register("insured", password=PASSWORD)
            self.neighbour = self.insurer.register("neighbour", password=PASSWORD)
            self.stranger = self.outsider.register("stranger", password=PASSWORD)
            say("Waiting for all servers to enforce the list")
            self.settle()
            self._stack = undo.pop_all()

    def __enter__(self) -> Self:
        """Nothing more to start."""
        return self

    def __exit__(self, *reason: object) -> None:
        """Stop everything, by process id."""
        self._stack.close()

    @property
    def members(self) -> tuple[SynapseServer, ...]:
        """The servers that enforce the list."""
        return (self.hospital, self.practice, self.ward, self.insurer)

    @property
    def servers(self) -> tuple[SynapseServer, ...]:
        """All servers."""
        return (*self.members, self.outsider)

    def logins(self) -> list[tuple[SynapseServer, MatrixUser]]:
        """Each user and its server."""
        return [
            (self.hospital, self.doctor),
            (self.hospital, self.nurse),
            (self.practice, self.physician),
            (self.ward, self.sister),
            (self.ward, self.reception),
            (self.insurer, self.insured),
            (self.insurer, self.neighbour),
            (self.outsider, self.stranger),
        ]

    def settle(self) -> None:
        """Wait until every member enforces the directory's current list; else ``ChildFailedError``."""
        for server in self.members:
            try:
                wait_for(functools.partial(self._follows, server), what=f"{server.name} to enforce the list")
            except TimeoutError as error:
                raise ChildFailedError(f"{error}\n{server.last_words()}") from None

    def _follows(self, server: SynapseServer) -> bool:
        return _metric(server, "version") == self.ti.version

    def wait_for_refusal(self, reason: str) -> bool:
        """Wait until the hospital has refused a list for a reason."""
        name = f'updates_total{{result="{reason}"}}'
        before = _metric(self.hospital, name)
        return bool(wait_for(lambda: _metric(self.hospital, name) > before, what=f"the refusal {reason}"))

    def _member(self, name: str, directory: Path, product: str, spec_version: str = "1.2") -> SynapseServer:
        block: dict[str, Any] = {
            "product": product,
            "spec_version": spec_version,
            "federation_list": self.ti.federation_list_config(),
            "login": self._pro_login() if product == "pro" else self._epa_login(directory),
        }
        if spec_version == "legacy-1.1":
            block["directory"] = self.ti.directory_config()
        return SynapseServer(
            name,
            directory / name,
            self.ti.world,
            modules=[{"module": "synapse_tim.TiMessenger", "config": block}],
            extra={"federation_domain_whitelist": []},
        )

    def _pro_login(self) -> dict[str, Any]:
        """Cards, and passwords for those who want to look around with a Matrix client."""
        idp = {
            "id": "idp-dienst",
            "profile": "gematik_idp",
            "issuer": self.ti.idp.issuer,
            "audience": AUDIENCE,
            "keys": {"discovery_url": self.ti.idp.discovery_url, "ca_certificates": str(self.ti.ca_file)},
            "professions": _PROFESSIONS,
            "registration": True,
        }
        return {"permitted": ["id_token", "sso", "password"], "providers": [idp]}

    def _epa_login(self, directory: Path) -> dict[str, Any]:
        """Insured persons, whose tokens are encrypted for a key of the insurer's."""
        sectoral = {
            "id": "gesundheitsid",
            "profile": "gesundheitsid",
            "issuer": self.ti.sectoral.issuer,
            "audience": AUDIENCE,
            "keys": {"jwks_url": self.ti.sectoral.jwks_url, "ca_certificates": str(self.ti.ca_file)},
            "registration": True,
        }
        return {"decryption_keys": [private_key(directory / "token-key.pem")], "providers": [sectoral]}


def _metric(server: SynapseServer, name: str) -> float:
    return server.metrics().get(f"synapse_tim_federation_list_{name}", 0.0)
