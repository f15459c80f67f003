"""A simulated TI per test, and the services connected to it with a clock in the test's hand."""

import datetime as dt
from pathlib import Path

import attrs
import pytest

from synapse_tim.directory.session import DirectorySession, ProviderCredentials
from synapse_tim.federation.acceptance import ListState
from synapse_tim.federation.source import ListSource
from synapse_tim.federation.updater import Updater
from synapse_tim.federation.verifier import ListVerifier
from synapse_tim.jose.large_jws import JwsLimits
from synapse_tim.pki.certificate_source import DownloadServer
from synapse_tim.pki.ocsp_client import OcspClient
from synapse_tim.pki.revocation import OcspMode
from synapse_tim.pki.trust_store import TrustStore
from synapse_tim.testing.simulator.simulator import TiSimulator
from synapse_tim.transport.fetcher import Fetcher
from synapse_tim.transport.tls import client_context


@attrs.define
class Bench:
    """Everything between the simulator and a decision."""

    ti: TiSimulator
    mode: OcspMode = OcspMode.HARD
    algorithms: tuple[str, ...] = ("BP256R1",)
    minimum_version: int = 0
    url: str = ""
    deadline: float = 60.0
    limits: JwsLimits = attrs.field(factory=JwsLimits)
    allow_test: bool = True
    with_client_certificate: bool = False
    pins: list[str] | None = None
    offset: dt.timedelta = dt.timedelta()
    seconds: float = 0.0
    fetcher: object = None
    trust: object = None
    ocsp: object = None
    verifier: object = None
    source: object = None
    updater: object = None
    state: object = None

    def __attrs_post_init__(self):
        client = self.ti.client_pem if self.with_client_certificate else None
        self.fetcher = Fetcher(client_context(self.ti.ca_file, client), silence=30)
        self.trust = TrustStore(
            DownloadServer(self.fetcher, self.ti.ca_base_url),
            self.ti.pins if self.pins is None else self.pins,
            allow_test=self.allow_test,
        )
        self.ocsp = OcspClient(self.mode, self.fetcher, self.ti.ocsp_url)
        self.verifier = ListVerifier(self.trust, self.ocsp, frozenset(self.algorithms), self.limits)
        url = self.url or self.ti.list_url
        session = None
        if url == self.ti.directory_list_url:
            given = self.ti.vzd_credentials
            secret = Path(given["client_secret_path"]).read_text()
            credentials = ProviderCredentials(
                given["token_url"], given["authenticate_url"], given["client_id"], secret
            )
            session = DirectorySession(self.fetcher, credentials, lambda: self.seconds)
        self.source = ListSource(
            self.fetcher, url, self.algorithms[0], session, limits=self.limits, deadline=self.deadline
        )
        self.updater = Updater(self.source, self.verifier, self.clock, self.minimum_version)
        self.state = ListState()

    def clock(self):
        return dt.datetime.now(dt.UTC) + self.offset

    def step(self):
        """One update; the state moves on as it would in production."""
        update = self.updater.refresh(self.state)
        self.state = update.state
        return update

    def close(self):
        self.fetcher.close()


@pytest.fixture
def ti():
    with TiSimulator() as simulator:
        simulator.add("hospital.example")
        simulator.add("insurer.example", insurance=True, ik=["109500969"])
        yield simulator


@pytest.fixture
def bench(ti):
    made = []

    def make(simulator=ti, **changes):
        made.append(Bench(simulator, **changes))
        return made[-1]

    yield make
    for each in made:
        each.close()
