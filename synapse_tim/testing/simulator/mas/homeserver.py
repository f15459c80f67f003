"""The calls of MAS to the homeserver, below ``/_synapse/mas/``."""

import time
from typing import Any, Final

import httpx

from synapse_tim.testing import loopback

#: Real ones wait longer, and try more often.
_TRIES: Final = 5
_SECONDS_BETWEEN: Final = 0.5


class HomeserverConnection:
    """A homeserver as MAS sees it."""

    def __init__(self, url: str, secret: str) -> None:
        self._url = url
        self._secret = secret

    def is_available(self, localpart: str) -> bool:
        """Whether a user could have a name."""
        return self._send("GET", "is_localpart_available", params={"localpart": localpart}).is_success

    def call(self, name: str, localpart: str, **more: Any) -> None:
        """Call an endpoint about a user, such as ``provision_user`` or ``upsert_device``.

        MAS has a queue for that, and repeats what failed. Synapse fails to reactivate a user, for instance,
        while it still deletes what the user had.

        Raises:
            httpx.HTTPStatusError: the homeserver refuses.
        """
        answers = (self._send("POST", name, json={"localpart": localpart, **more}) for _ in range(_TRIES))
        for answer in answers:
            if not answer.is_server_error:
                break
            time.sleep(_SECONDS_BETWEEN)
        answer.raise_for_status()

    def _send(self, method: str, name: str, **options: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self._secret}"}
        return loopback.request(method, f"{self._url}/_synapse/mas/{name}", headers=headers, **options)
