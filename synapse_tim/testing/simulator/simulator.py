"""A TI on loopback: download server, OCSP responder, directory, a service with the list, identity providers.

Example:
    The ``federation_list`` block for a server under test, and a change that it should follow::

        with TiSimulator() as ti:
            ti.add("hospital.example:8448")
            block = ti.federation_list_config()
            ...
            ti.remove("hospital.example:8448")
            ti.faults.slow_drip = 1.0
"""

import copy
import datetime as dt
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from synapse_tim.testing import paths
from synapse_tim.testing.http import LoopbackServer
from synapse_tim.testing.merge import deep_merge
from synapse_tim.testing.ports import free_ports
from synapse_tim.testing.simulator.directory.entries import DirectoryEntries
from synapse_tim.testing.simulator.directory.lookups import DirectoryLookups
from synapse_tim.testing.simulator.directory.owners import DirectoryOwners
from synapse_tim.testing.simulator.directory.service import Directory
from synapse_tim.testing.simulator.endpoints import CLIENT_ID, CLIENT_SECRET, Endpoints
from synapse_tim.testing.simulator.faults import Faults
from synapse_tim.testing.simulator.idp.broker import Broker
from synapse_tim.testing.simulator.idp.central import CentralIdp
from synapse_tim.testing.simulator.idp.federation_master import FederationMaster
from synapse_tim.testing.simulator.idp.sectoral import SectoralIdp
from synapse_tim.testing.simulator.pki.world import TiWorld, make_world
from synapse_tim.testing.simulator.tls import ServerTls


def _utc_now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


class TiSimulator:
    """Serves a ``TiWorld``.

    Two listeners on 127.0.0.1: plain HTTP (certificates, OCSP, the operator's list, the identity providers)
    and HTTPS (the same, and the directory with its login). Ports are free ones, and stay the same when the
    simulator is stopped and started again.

    Args:
        world: the certificates; default new ones.
        directory: where to put the files that clients need; default a temporary directory, removed at the
            end.
        require_client_certificate: whether HTTPS demands a certificate of the world's TLS CA.
        clock: the time by which OCSP answers are made and faulty signers are out of date; default the
            machine's.
        clock_offset: added to the clock; may be changed at any time.
        ports: of the two listeners, plain and TLS; default free ones.

    Attributes:
        ports: of the two listeners.
        faults: what goes wrong; change it at any time.
        directory: the content of the list.
        entries: who is listed in the directory.
        owners: what those have changed in it themselves.
        idp: the central identity provider, for smart cards.
        sectoral: the identity provider of insured persons.
        federation_master: the trust anchor of that one and its clients.
        broker: an OpenID provider in front of those two; its issuer is plain HTTP, so that browsers get to
            it without trusting any CA.
        dir: where the files are.
    """

    def __init__(
        self,
        world: TiWorld | None = None,
        *,
        directory: Path | None = None,
        require_client_certificate: bool = False,
        clock: Callable[[], dt.datetime] = _utc_now,
        clock_offset: dt.timedelta = dt.timedelta(),
        ports: tuple[int, int] | None = None,
    ) -> None:
        plain, secure = ports or free_ports(2)
        self.ports = (plain, secure)
        self.world = world or make_world(clock())
        self.require_client_certificate = require_client_certificate
        self.clock_offset = clock_offset
        self.faults = Faults()
        self.directory = Directory()
        self.entries = DirectoryEntries()
        self.owners = DirectoryOwners(self.entries)
        self._clock = clock
        self.idp = CentralIdp(self.world, self.faults, lambda: self.https_url, self.now)
        self.federation_master = FederationMaster(lambda: self.https_url, self.now)
        self.sectoral = SectoralIdp(self.world, self.federation_master, lambda: self.https_url, self.now)
        self.broker = Broker(self.idp, self.sectoral, self.world, lambda: self.http_url, self.now)
        lookups = DirectoryLookups(self.owners, self.faults, lambda: self.directory_url)
        self._endpoints = Endpoints(
            self.world,
            self.directory,
            lookups,
            self.owners,
            self.faults,
            self.now,
            self.idp,
            self.sectoral,
            self.broker,
            self.federation_master,
        )
        self._lock = threading.Lock()
        self._requests: list[tuple[str, str, int]] = []
        self._servers: tuple[LoopbackServer, ...] = ()
        self._own_dir = directory is None
        self.dir = directory or Path(tempfile.mkdtemp(prefix="ti-simulator-"))
        self._write_files()
        self._tls = ServerTls(self.dir / "server.pem", self.ca_file, require=self.require_client_certificate)

    def __enter__(self) -> Self:
        """Start."""
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close."""
        self.close()

    def start(self) -> Self:
        """Listen, on the ports of before if it was stopped; nothing happens if it runs."""
        if not self._servers:
            plain = LoopbackServer(self.ports[0], self._endpoints, self._log, self.faults)
            self._servers = (plain,)
            try:
                secure = LoopbackServer(
                    self.ports[1], self._endpoints, self._log, self.faults, self._tls.context
                )
            except OSError:
                self.stop()
                raise
            self._servers = (plain, secure)
        return self

    def stop(self) -> None:
        """Stop listening, as in an outage; ``start()`` goes on where it was."""
        for server in self._servers:
            server.close()
        self._servers = ()

    def close(self) -> None:
        """Stop for good and remove the temporary directory."""
        self.stop()
        if self._own_dir:
            shutil.rmtree(self.dir, ignore_errors=True)

    def now(self) -> dt.datetime:
        """The simulator's time."""
        return self._clock() + self.clock_offset

    # What the directory knows

    @property
    def version(self) -> int:
        """The version of the list; may be set."""
        return self.directory.version

    @version.setter
    def version(self, value: int) -> None:
        self.directory.version = value

    def add(
        self, domain: str, *, insurance: bool = False, ik: Iterable[str] = (), telematik_id: str | None = None
    ) -> None:
        """See ``Directory.add``."""
        self.directory.add(domain, insurance=insurance, ik=ik, telematik_id=telematik_id)

    def remove(self, domain: str) -> None:
        """See ``Directory.remove``."""
        self.directory.remove(domain)

    def set_domains(self, domains: Iterable[str]) -> None:
        """See ``Directory.set_domains``."""
        self.directory.set_domains(domains)

    def set_generated(self, n: int) -> None:
        """See ``Directory.set_generated``."""
        self.directory.set_generated(n)

    # What was asked

    @property
    def requests(self) -> list[tuple[str, str, int]]:
        """Method, path with query, and status of each request so far; status 0 if it was dropped."""
        with self._lock:
            return list(self._requests)

    def count(self, path_prefix: str) -> int:
        """How many requests there were for paths that start so."""
        return sum(path.startswith(path_prefix) for _, path, _ in self.requests)

    # Where things are

    @property
    def http_url(self) -> str:
        """The plain listener, without a path."""
        return f"http://localhost:{self.ports[0]}"

    @property
    def https_url(self) -> str:
        """The TLS listener, without a path."""
        return f"https://localhost:{self.ports[1]}"

    @property
    def list_url(self) -> str:
        """The list at the operator's own service, over TLS."""
        return self.https_url + paths.OPERATOR_LIST

    @property
    def plain_list_url(self) -> str:
        """The same without TLS."""
        return self.http_url + paths.OPERATOR_LIST

    @property
    def directory_list_url(self) -> str:
        """The list at the directory, which needs a login."""
        return self.https_url + paths.DIRECTORY_LIST

    @property
    def directory_url(self) -> str:
        """The directory, for look-ups."""
        return self.https_url

    @property
    def token_url(self) -> str:
        """The authorisation server."""
        return self.https_url + paths.TOKEN

    @property
    def authenticate_url(self) -> str:
        """Where its token is exchanged for one of the directory."""
        return self.https_url + paths.AUTHENTICATE

    @property
    def ca_base_url(self) -> str:
        """Gematik's download server."""
        return self.http_url

    @property
    def ocsp_url(self) -> str:
        """The responder."""
        return self.http_url + paths.OCSP

    @property
    def ca_file(self) -> Path:
        """PEM: the CA of the TLS listener."""
        return self.dir / "tls-ca.pem"

    @property
    def client_pem(self) -> Path:
        """PEM: a client certificate with its key."""
        return self.dir / "client.pem"

    @property
    def secret_path(self) -> Path:
        """The client secret for the authorisation server."""
        return self.dir / "client-secret"

    @property
    def pins(self) -> list[str]:
        """The roots to pin: the newest."""
        return [self.world.pin()]

    @property
    def vzd_credentials(self) -> dict[str, str]:
        """The ``vzd_credentials`` block for ``directory_list_url``."""
        where = {"token_url": self.token_url, "authenticate_url": self.authenticate_url}
        return {**where, "client_id": CLIENT_ID, "client_secret_path": str(self.secret_path)}

    def federation_list_config(self, **overrides: Any) -> dict[str, Any]:
        """The ``federation_list`` block of ``homeserver.yaml`` for a server that uses this simulator.

        Args:
            **overrides: merged into the block, nested ones too; ``None`` takes a key out. For the
                directory: ``url=ti.directory_list_url, vzd_credentials=ti.vzd_credentials``.
        """
        block: dict[str, Any] = {
            "url": self.list_url,
            "ca_certificates": str(self.ca_file),
            "refresh_interval": "1s",
            "max_age": "1h",
            "on_stale": "deny",
            "minimum_version": 0,
            "signature_algorithms": ["BP256R1"],
            "trust": {
                "ca_base_url": self.ca_base_url,
                "pinned_roots": self.pins,
                "allow_test_certificates": True,
                "ocsp": "hard",
                "ocsp_responder_url": self.ocsp_url,
            },
        }
        if self.require_client_certificate:
            block["client_certificate"] = str(self.client_pem)
        return deep_merge(block, copy.deepcopy(overrides))

    def directory_config(self, **overrides: Any) -> dict[str, Any]:
        """The ``directory`` block of ``homeserver.yaml``; overrides as for ``federation_list_config``."""
        block: dict[str, Any] = {
            "url": self.directory_url,
            "vzd_credentials": self.vzd_credentials,
            "ca_certificates": str(self.ca_file),
        }
        return deep_merge(block, copy.deepcopy(overrides))

    def _write_files(self) -> None:
        files: Mapping[Path, bytes] = {
            self.ca_file: self.world.tls_ca.pem,
            self.client_pem: self.world.tls_client.pem + self.world.tls_client.key_pem,
            self.dir / "server.pem": self.world.tls_server.pem + self.world.tls_server.key_pem,
            self.secret_path: CLIENT_SECRET.encode(),
        }
        self.dir.mkdir(parents=True, exist_ok=True)
        for path, content in files.items():
            path.write_bytes(content)

    def accept_client_certificate(self, pem: str) -> None:
        """Let a client identify itself with a certificate of its own, over HTTPS.

        A genuine provider takes any certificate in the handshake and compares it with the client's keys
        afterwards; Python's TLS has to know it before.

        Args:
            pem: a self-signed certificate.
        """
        self._tls.accept(pem)

    def _log(self, method: str, path: str, status: int) -> None:
        with self._lock:
            self._requests.append((method, path, status))
