"""The calls of MAS to the homeserver, below ``/_synapse/mas/``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import httpx

from synapse_tim.testing import loopback


class HomeserverConnection:
    """A homeserver as MAS sees it.

    Args:
        url: where it is.
        secret: shared with it.
    """

    def __init__(self, url: str, secret: str) -> None:
        self._url = url
        self._secret = secret

    def is_available(self, localpart: str) -> bool:
        """Whether a user could have a name."""
        return self._send("GET", "is_localpart_available", params={"localpart": localpart}).is_success

    def provision(self, localpart: str, **more: Any) -> None:
        """Make an account, or change it."""
        self._call("provision_user", localpart, **more)

    def upsert_device(self, localpart: str, device_id: str) -> None:
        """Make a device."""
        self._call("upsert_device", localpart, device_id=device_id)

    def sync_devices(self, localpart: str, devices: Iterable[str]) -> None:
        """Leave a user just these devices."""
        self._call("sync_devices", localpart, devices=list(devices))

    def delete_user(self, localpart: str, *, erase: bool) -> None:
        """Deactivate an account."""
        self._call("delete_user", localpart, erase=erase)

    def reactivate_user(self, localpart: str) -> None:
        """Activate it again."""
        self._call("reactivate_user", localpart)

    def allow_cross_signing_reset(self, localpart: str) -> None:
        """Let the user's next cross-signing keys replace those of before."""
        self._call("allow_cross_signing_reset", localpart)

    def _call(self, name: str, localpart: str, **more: Any) -> None:
        self._send("POST", name, json={"localpart": localpart, **more}).raise_for_status()

    def _send(self, method: str, name: str, **options: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self._secret}"}
        return loopback.request(method, f"{self._url}/_synapse/mas/{name}", headers=headers, **options)
