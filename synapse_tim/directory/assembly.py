"""Builds what asks the directory, from the configuration block down to the connections."""

import time
from collections.abc import Callable

import attrs

from synapse_tim.adapter.config_block import read_cas
from synapse_tim.directory.client import DirectoryClient
from synapse_tim.directory.config import DirectoryConfig, DirectoryLogIn, read_credentials
from synapse_tim.directory.session import DirectorySession
from synapse_tim.directory.transport import DirectoryTransport
from synapse_tim.transport.fetcher import Fetcher


@attrs.frozen(eq=False)
class DirectoryServices:
    """What asks the directory in one process."""

    transport: DirectoryTransport
    client: DirectoryClient
    #: To the directory, for searches: with a circuit breaker of its own, since searches need another
    #: permission.
    search_transport: DirectoryTransport
    search: DirectorySession


def build_directory(
    config: DirectoryConfig,
    log_in: DirectoryLogIn,
    *,
    shared: DirectorySession | None = None,
    on_change: Callable[[bool], None] = lambda down: None,
) -> DirectoryServices:
    """Connect the parts; no request is made yet.

    Args:
        log_in: what it says together with other blocks.
        shared: the login of the federation list in this process, if there is one.
        on_change: called with whether the directory is down, when that changes; in any thread.

    Raises:
        ConfigError: naming the key of a file that does not hold what it should.
    """
    fetcher = Fetcher(read_cas(log_in.ca_certificates, *log_in.ca_keys))
    if shared is None or not log_in.shared:
        credentials = read_credentials(log_in.provider, *log_in.provider_keys)
        shared = DirectorySession(fetcher, credentials, time.monotonic)
    search = shared
    if log_in.search is not None:
        credentials = read_credentials(log_in.search, "directory", "search_credentials")
        search = DirectorySession(fetcher, credentials, time.monotonic)
    transport = DirectoryTransport(fetcher, deadline=config.deadline / 1000, on_change=on_change)
    client = DirectoryClient(transport, shared, config.base_url, cache_seconds=config.cache / 1000)
    search_transport = DirectoryTransport(fetcher, deadline=config.deadline / 1000)
    return DirectoryServices(transport, client, search_transport, search)
