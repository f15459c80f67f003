"""Builds the parts of the federation list, from the configuration block down to the threads."""

import datetime as dt
import ssl
import time
from collections.abc import Callable

import attrs
from cryptography import x509
from synapse.module_api import ModuleApi

from synapse_tim.adapter.allow_list import AllowList
from synapse_tim.adapter.clock import utc_now
from synapse_tim.adapter.config_block import read_cas, wrong
from synapse_tim.adapter.homeserver import Homeserver
from synapse_tim.adapter.memory import return_large_buffers
from synapse_tim.adapter.pinned_roots import read_pinned_roots
from synapse_tim.adapter.threads import Threads
from synapse_tim.core.products import Product
from synapse_tim.directory.config import read_credentials
from synapse_tim.directory.session import DirectorySession, ProviderCredentials
from synapse_tim.federation.compiled import Seal
from synapse_tim.federation.config import AllowListConfig, FederationListConfig
from synapse_tim.federation.enforcement import ListInForce, StalenessPolicy
from synapse_tim.federation.follower import ListFollower
from synapse_tim.federation.leader import ListLeader
from synapse_tim.federation.list_reader import Reader, read
from synapse_tim.federation.reader_process import ReaderProcess
from synapse_tim.federation.schedule import RefreshSchedule
from synapse_tim.federation.signals import ListSignals
from synapse_tim.federation.source import ListSource
from synapse_tim.federation.store import ListStore
from synapse_tim.federation.stored_list import StoredList
from synapse_tim.federation.updater import Updater
from synapse_tim.federation.verifier import ListVerifier
from synapse_tim.pki.config import trust_store
from synapse_tim.pki.ocsp_client import OcspClient
from synapse_tim.pki.signer_path import ROLE_VZD_TI
from synapse_tim.pki.trust_store import TrustStore
from synapse_tim.transport.fetcher import Fetcher


@attrs.frozen(eq=False)
class ListParts:
    """What the files of a configuration block hold, read once at start-up."""

    context: ssl.SSLContext  #: TLS towards the URL of the list
    #: TLS towards the directory's login; without the client certificate, which is meant for the list alone.
    directory_context: ssl.SSLContext
    roots: tuple[x509.Certificate, ...]  #: pinned roots that were given as files
    credentials: ProviderCredentials | None  #: how to log in to the directory, or ``None``


def read_files(config: FederationListConfig) -> ListParts:
    """Read every file that the block names.

    Raises:
        ConfigError: naming the key of a file that does not hold what it should.
    """
    plain = read_cas(config.ca_certificates, "federation_list", "ca_certificates")
    context = read_cas(config.ca_certificates, "federation_list", "ca_certificates")
    if config.client_certificate is not None:
        try:
            context.load_cert_chain(config.client_certificate)
        except OSError as error:
            raise wrong(
                f"holds no certificate with its key in PEM: {error}", "federation_list", "client_certificate"
            ) from None
    roots = read_pinned_roots(config.trust, "federation_list", "trust")
    credentials = None
    if config.vzd_credentials is not None:
        credentials = read_credentials(config.vzd_credentials, "federation_list", "vzd_credentials")
    return ListParts(context, plain, roots, credentials)


@attrs.frozen(eq=False)
class RunningList:
    """The list of one process."""

    in_force: ListInForce
    driver: ListLeader | ListFollower  #: the leader or a follower, not started yet
    session: DirectorySession | None  #: the login to the directory, if the list is there


def build_list(
    config: AllowListConfig,
    parts: ListParts,
    api: ModuleApi,
    homeserver: Homeserver,
    allow_list: AllowList,
    on_applied: Callable[[], None],
) -> RunningList:
    """Connect what a process needs, as leader or follower; nothing runs yet."""
    return_large_buffers()
    settings, leads = config.federation_list, api.should_run_background_tasks()
    fetchers, reader = Fetchers(parts), ReaderProcess()

    def end() -> None:
        fetchers.close()
        reader.close()

    threads, signals = Threads(api, end), ListSignals(api, homeserver)
    in_force = ListInForce(
        api,
        allow_list,
        StalenessPolicy(dt.timedelta(milliseconds=settings.max_age), settings.on_stale),
        product_is_insurance=config.product is Product.EPA,
        clock=utc_now,
        on_applied=on_applied,
    )
    trust = list_trust(settings, parts, fetchers.open if leads else None)
    updater = build_updater(settings, parts, fetchers, trust, reader=reader)
    seal = Seal.of(homeserver.config.shared_secret, api.server_name)
    stored = StoredList(ListStore(api), updater, trust, threads, seal)
    if not leads:
        return RunningList(in_force, ListFollower(api, in_force, stored, signals), fetchers.session)
    schedule = RefreshSchedule(settings.refresh_interval / 1000)
    leader = ListLeader(api, in_force, stored, signals, updater, threads, schedule)
    return RunningList(in_force, leader, fetchers.session)


class Fetchers:
    """One transport per purpose: the list, the directory's login, everything that is public.

    The login itself is ``session``, or ``None`` if the list is not at the directory.
    """

    def __init__(self, parts: ListParts) -> None:
        self.list = Fetcher(parts.context)
        self.directory = Fetcher(parts.directory_context)
        self.open = Fetcher()
        self.session: DirectorySession | None = None
        if parts.credentials is not None:
            self.session = DirectorySession(self.directory, parts.credentials, time.monotonic)

    def close(self) -> None:
        """End what is under way."""
        for fetcher in (self.list, self.directory, self.open):
            fetcher.close()


def list_trust(config: FederationListConfig, parts: ListParts, fetcher: Fetcher | None) -> TrustStore:
    """What the signature of the list has to rest on.

    Args:
        fetcher: to the download server; ``None`` to work with what is known.
    """
    return trust_store(config.trust, parts.roots, fetcher, ROLE_VZD_TI)


def build_updater(
    config: FederationListConfig,
    parts: ListParts,
    fetchers: Fetchers,
    trust: TrustStore,
    clock: Callable[[], dt.datetime] = utc_now,
    reader: Reader = read,
) -> Updater:
    """Put together what fetches, verifies and judges the list; nothing is fetched yet.

    Args:
        trust: as ``list_trust`` gave it.
        clock: the current time, with a time zone.
        reader: verifies the signature and reads the payload.
    """
    ocsp = OcspClient(config.trust.ocsp, fetchers.open, config.trust.ocsp_responder_url)
    source = ListSource(fetchers.list, config.url, config.signature_algorithms[0], fetchers.session)
    verifier = ListVerifier(trust, ocsp, frozenset(config.signature_algorithms), reader=reader)
    return Updater(source, verifier, clock, config.minimum_version)
