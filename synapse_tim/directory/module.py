"""``synapse_tim.Directory``: asks the directory where users are listed (requirement R6.5).

It decides nothing. Callers get the directory's answer, at most five minutes old, or an error; a
directory that is slow or down makes neither the reactor nor a queue wait, and no error looks like an
answer.
"""

import logging
import time
from typing import Any, Final

from synapse.module_api import ModuleApi

from synapse_tim.adapter import metrics, registry
from synapse_tim.adapter.config_block import parse_block, wrong
from synapse_tim.adapter.threads import Threads
from synapse_tim.directory.assembly import build_directory
from synapse_tim.directory.config import DirectoryPartConfig, SharedLogIn
from synapse_tim.directory.failures import DirectoryError, DirectoryFailure
from synapse_tim.directory.owner_types import OwnerType

logger = logging.getLogger(__name__)

#: With two connections, further look-ups could not be answered in time.
MAX_WAITING: Final = 100
_KIND: Final = "owner_type"
#: What follows from another failure, which was logged.
_NOT_LOGGED: Final = frozenset({DirectoryFailure.PAUSED, DirectoryFailure.BUSY, DirectoryFailure.NOT_AN_ID})


class Directory:
    """Asks the directory in one Synapse process.

    Raises:
        ConfigError: there is no block, or it does not say how to log in.
    """

    def __init__(self, config: DirectoryPartConfig, api: ModuleApi) -> None:
        if config.directory is None:
            raise wrong("this key is required", "directory")
        shared: SharedLogIn | None = registry.find(api, SharedLogIn.__name__)
        log_in = config.directory.log_in(shared.settings if shared is not None else None)
        services = build_directory(
            config.directory,
            log_in,
            shared=shared.session if shared is not None else None,
            on_change=metrics.DIRECTORY_DOWN.set,
        )
        self._transport = services.transport
        self._client = services.client
        self._threads = Threads(api, self._transport.close)
        self._waiting = 0
        registry.register(api, self, config)

    @staticmethod
    def parse_config(config: dict[str, Any]) -> DirectoryPartConfig:
        """Check the block of ``homeserver.yaml``; the ``ConfigError`` names the key and what is expected."""
        parsed = parse_block(DirectoryPartConfig, config)
        if parsed.directory is None:
            raise wrong("this key is required", "directory")
        return parsed

    def deadline(self) -> float:
        """When a question that is asked now has to be answered, however many look-ups it takes."""
        return self._transport.end_of_look_up()

    async def owner_type(self, user_id: str, ends: float | None = None) -> OwnerType:
        """Where a user is listed.

        Args:
            ends: when the answer has to be there, as ``deadline`` said; default: from now.

        Raises:
            DirectoryError: there is no answer; nothing may be concluded from that.
        """
        try:
            known = self._client.known(user_id)
            found = await self._ask(user_id, ends) if known is None else known
        except DirectoryError as error:
            metrics.DIRECTORY_LOOKUPS.labels(_KIND, error.reason.value).inc()
            if error.reason not in _NOT_LOGGED:
                logger.warning("The directory gave no answer: %s", error)
            raise
        result = found.value if known is None else "cached"
        metrics.DIRECTORY_LOOKUPS.labels(_KIND, result).inc()
        return found

    async def _ask(self, user_id: str, ends: float | None) -> OwnerType:
        if self._waiting >= MAX_WAITING:
            raise DirectoryError(DirectoryFailure.BUSY, f"{MAX_WAITING} look-ups are waiting")
        ends = self.deadline() if ends is None else ends
        began = time.monotonic()
        self._waiting += 1
        try:
            return await self._threads.run(self._client.owner_type, user_id, ends)
        except DirectoryError:
            raise
        except Exception as error:
            raise DirectoryError(DirectoryFailure.INTERNAL, type(error).__name__) from error
        finally:
            self._waiting -= 1
            metrics.DIRECTORY_LOOKUP_DURATION.labels(_KIND).observe(time.monotonic() - began)
