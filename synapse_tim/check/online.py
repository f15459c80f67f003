"""Finds out what only shows over the network: with the same parts as the modules, and no homeserver."""

import datetime as dt
import ssl
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Final

from synapse.module_api.errors import ConfigError

from synapse_tim.admin.database import DatabaseUnusableError, open_database
from synapse_tim.check.endpoints import look_at_endpoints, trust_of_others
from synapse_tim.check.facts import FetchedList, Homeserver, Online, StoredPermissions
from synapse_tim.check.stored_permissions import count_stored_permissions
from synapse_tim.check.synapse_config import without_log
from synapse_tim.core.checks import NotRead
from synapse_tim.core.server_name import normalise
from synapse_tim.federation.acceptance import ListState
from synapse_tim.federation.assembly import Fetchers, build_updater, list_trust, read_files
from synapse_tim.federation.config import AllowListConfig
from synapse_tim.federation.refusals import Refusal
from synapse_tim.federation.updater import Update
from synapse_tim.pki.certificates import describe

#: For the list, and once more for the server itself.
SECONDS: Final = 30.0


def look_online(homeserver: Homeserver, clock: Callable[[], dt.datetime]) -> Online:
    """Fetch and verify the list, visit the server as others do, and look into its database.

    Args:
        clock: the current time, with a time zone.
    """
    cas = homeserver.main.document.get("federation_custom_ca_list")
    try:
        context = trust_of_others(map(str, cas) if isinstance(cas, list) else ())
    except OSError:
        context = ssl.create_default_context()  # that they cannot be read has a line of its own
    fetched = _fetch(homeserver, clock)
    name = normalise(homeserver.server_name)
    endpoints = [] if name is None else look_at_endpoints(name, context, seconds=SECONDS)
    return Online(fetched, tuple(endpoints), _stored_permissions(homeserver))


def _stored_permissions(homeserver: Homeserver) -> StoredPermissions | None:
    """How many there are, if the database can be read from here."""
    if homeserver.product is None:
        return None
    try:
        with open_database(homeserver.main.document, homeserver.main.directory) as database:
            return count_stored_permissions(database, homeserver.product)
    except DatabaseUnusableError:
        return None


def _fetch(homeserver: Homeserver, clock: Callable[[], dt.datetime]) -> FetchedList | None:
    """The list; ``None`` without a block that says where it is, and whose files can be read."""
    try:
        key, config = homeserver.main.block(AllowListConfig)
        settings = config.federation_list
        files = read_files(settings)
    except (NotRead, ConfigError):
        return None
    key = f"{key}.federation_list"
    fetchers = Fetchers(files)
    outcome = Future[Update]()

    def run() -> None:
        try:
            trust = list_trust(settings, files, fetchers.open)
            outcome.set_result(build_updater(settings, files, fetchers, trust, clock).refresh(ListState()))
        except BaseException as error:
            outcome.set_exception(error)

    # What is late is not waited for, so it must not keep the command from ending.
    threading.Thread(target=run, name="synapse_tim-check", daemon=True).start()
    try:
        with without_log():
            update = outcome.result(SECONDS)
    except TimeoutError:
        return FetchedList(key, Refusal.DEADLINE.value, f"not complete within {SECONDS:g} s")
    finally:
        fetchers.close()
    verified = update.state.in_force
    if update.refusal is not None or verified is None:
        refusal = update.refusal
        reason = refusal.reason if refusal is not None else Refusal.INTERNAL
        return FetchedList(key, reason.value, refusal.detail if refusal is not None else "")
    content = verified.content
    return FetchedList(
        key,
        version=content.version,
        domains=len(content.domains),
        insurance_domains=len(content.insurance_domains),
        insurer=content.domains.get(normalise(homeserver.server_name) or ""),
        signer=describe(verified.path.signer),
        signer_not_after=verified.path.not_after,
    )
