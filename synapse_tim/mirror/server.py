"""Puts the mirror together and runs it until it is told to stop."""

import datetime as dt
import functools
import logging
import sqlite3
import threading
from pathlib import Path
from typing import Any, Final

from cryptography import x509
from twisted.internet import ssl
from twisted.internet.task import LoopingCall
from twisted.internet.threads import deferToThreadPool
from twisted.python.threadpool import ThreadPool

from synapse_tim.adapter.clock import utc_now
from synapse_tim.federation.assembly import Fetchers, build_updater, list_trust, read_files
from synapse_tim.federation.config import FederationListConfig
from synapse_tim.federation.reader_process import ReaderProcess
from synapse_tim.federation.schedule import RefreshSchedule
from synapse_tim.mirror.config import MirrorConfig, TlsConfig, host_and_port
from synapse_tim.mirror.list_mirror import ListMirror
from synapse_tim.mirror.lookups import Lookups
from synapse_tim.mirror.resource import MetricsResource, MirrorResource
from synapse_tim.mirror.store import MirrorStore
from synapse_tim.mirror.web_server import HardenedSite
from synapse_tim.pki.certificate_source import DownloadServer
from synapse_tim.pki.certificates import fingerprint, to_der
from synapse_tim.pki.ocsp_client import ask_responder
from synapse_tim.pki.revocation import OcspMode
from synapse_tim.pki.trust_anchors import TrustAnchors
from synapse_tim.transport.fetcher import Fetcher

logger = logging.getLogger(__name__)

_TICK_SECONDS: Final = 1.0
_METRICS_CONNECTIONS: Final = 20


class MirrorError(Exception):
    """The mirror cannot start; says why."""


def run_mirror(config: MirrorConfig) -> None:
    """Run until SIGTERM or SIGINT.

    Raises:
        ConfigError: a file that it names does not hold what it should.
        MirrorError: an address is taken, or the database cannot be used.
    """
    from twisted.internet import reactor

    settings = config.federation_list
    files = read_files(settings)
    fetchers, reader = Fetchers(files), ReaderProcess()
    try:
        store = MirrorStore(config.database)
    except sqlite3.Error as error:
        raise MirrorError(f"database: {config.database}: {error}") from None
    trust = list_trust(settings, files, fetchers.open)
    lookups = _lookups(settings, files.roots, fetchers.open, store)
    mirror = ListMirror(
        build_updater(settings, files, fetchers, trust, reader=reader),
        trust,
        lookups,
        store,
        RefreshSchedule(settings.refresh_interval / 1000),
        dt.timedelta(milliseconds=settings.max_age),
        settings.on_stale,
        utc_now,
    )
    mirror.load()
    try:
        _Server(config, mirror, lookups, fetchers, reactor).run()
    finally:
        reader.close()
        store.close()


def _lookups(
    settings: FederationListConfig,
    roots: tuple[x509.Certificate, ...],
    fetcher: Fetcher,
    store: MirrorStore,
) -> Lookups:
    trust = settings.trust
    pins = {pin for pin in trust.pinned_roots if "/" not in pin}
    pins |= {fingerprint(root) for root in roots}
    anchors = TrustAnchors(frozenset(pins), trust.allow_test_certificates).with_pinned(roots, utc_now())
    url = trust.ocsp_responder_url if trust.ocsp is not OcspMode.OFF else None
    ask = functools.partial(ask_responder, fetcher, url) if url is not None else None
    return Lookups(DownloadServer(fetcher, trust.ca_base_url), ask, anchors, store, utc_now)


class _Server:
    """The listeners, and the loop that follows the source."""

    def __init__(
        self, config: MirrorConfig, mirror: ListMirror, lookups: Lookups, fetchers: Fetchers, reactor: Any
    ) -> None:
        self._config = config
        self._mirror = mirror
        self._fetchers = fetchers
        self._reactor = reactor
        # Apart, so that whoever asks for certificates does not keep the list waiting.
        self._updates, self._lookups = _pool("list", 1), _pool("look-ups", 8)
        algorithm = config.federation_list.signature_algorithms[0]
        resource = MirrorResource(mirror, lookups, algorithm, self._lookups, reactor, utc_now)
        self._site = HardenedSite(resource, config.max_connections)

    def run(self) -> None:
        """Listen, follow the source, and return when it is over."""
        self._listen(self._config.listen, self._site, self._config.tls)
        if self._config.metrics is not None:
            site = HardenedSite(MetricsResource(), _METRICS_CONNECTIONS, measured=False)
            self._listen(self._config.metrics, site, None)
        self._updates.start()
        self._lookups.start()
        self._reactor.addSystemEventTrigger("before", "shutdown", self._fetchers.close)
        loop = LoopingCall(self._tick)
        loop.clock = self._reactor
        loop.start(_TICK_SECONDS).addErrback(lambda failure: logger.error(failure.getTraceback()))
        logger.info("Serving on %s", self._config.listen)
        self._reactor.run()

    def _listen(self, address: str, site: HardenedSite, tls: TlsConfig | None) -> None:
        host, port = host_and_port(address)
        try:
            if tls is None:
                self._reactor.listenTCP(port, site, interface=host, backlog=512)
            else:
                self._reactor.listenSSL(port, site, _tls_options(tls), interface=host, backlog=512)
        except OSError as error:
            raise MirrorError(f"{address}: {error}") from None
        except Exception as error:  # Twisted's CannotListenError, and what OpenSSL says of certificates
            raise MirrorError(f"{address}: {str(error)[:200]}") from None

    def _tick(self) -> Any:
        """Ask the source if it is time; the loop waits for the result."""
        self._mirror.current()  # counts as stale when it is
        if not self._mirror.due:
            return None
        done = deferToThreadPool(self._reactor, self._updates, self._mirror.refresh)
        return done.addErrback(lambda failure: logger.error("A step failed: %s", failure.getTraceback()))


def _pool(name: str, size: int) -> ThreadPool:
    pool = ThreadPool(minthreads=0, maxthreads=size, name=f"synapse_tim {name}")
    # A thread that waits for the network does not keep the process alive.
    pool.threadFactory = functools.partial(threading.Thread, daemon=True)  # type: ignore[assignment]
    return pool


def _tls_options(tls: TlsConfig) -> ssl.CertificateOptions:
    certificate = ssl.PrivateCertificate.loadPEM(Path(tls.certificate).read_bytes())
    cas = None
    if tls.client_ca_certificates is not None:
        found = x509.load_pem_x509_certificates(Path(tls.client_ca_certificates).read_bytes())
        cas = ssl.trustRootFromCertificates([ssl.Certificate.load(to_der(each)) for each in found])
    return ssl.CertificateOptions(
        privateKey=certificate.privateKey.original, certificate=certificate.original, trustRoot=cas
    )
