"""The devices of an interface: who has claimed them until when, and their sessions."""

import datetime as dt
import math
import threading
import time
from collections.abc import Callable
from typing import Any, Final

from synapse_tim.testing.driver.config import ApiConfig, DeviceConfig
from synapse_tim.testing.driver.encryption import Encryption, Keyring
from synapse_tim.testing.driver.errors import DriverError, bad_request, refused_by_client
from synapse_tim.testing.driver.session import MatrixSession

#: So that the end of a claim can be written as a date.
_LONGEST_CLAIM_SECONDS: Final = 7 * 86400


class Device:
    """One device; what acts on it holds ``lock``, so that it does one thing at a time.

    Args:
        number: the ``deviceId``.
        api: the interface that it belongs to.
        config: its account.
        keyring: where keys of sessions are kept.

    Attributes:
        dirty: whether the account may hold something of an earlier test.
    """

    def __init__(self, number: int, api: ApiConfig, config: DeviceConfig, keyring: Keyring) -> None:
        self.number = number
        self.api = api
        self.config = config
        self.lock = threading.RLock()
        self.dirty = True
        self._keyring = keyring
        self._session: MatrixSession | None = None
        self._encryption: Encryption | None = None
        self._claimer = ""
        self._claimer_cn = ""
        self._seconds = 0
        self._claimed_until = -math.inf
        self._owner_token: str | None = None

    # Claims

    @property
    def is_claimed(self) -> bool:
        """Whether a claim has not run out."""
        return time.time() < self._claimed_until

    def claim(self, claimer: str, claimer_cn: str, seconds: int) -> None:
        """Claim it; ``DriverError`` 400 if somebody else has."""
        if self.is_claimed and (claimer, claimer_cn) != (self._claimer, self._claimer_cn):
            raise bad_request(f"device {self.number} is claimed by {self._claimer}")
        self._claimer, self._claimer_cn = claimer, claimer_cn
        self._seconds = min(seconds, _LONGEST_CLAIM_SECONDS)
        self.dirty = True
        self._extend()

    def unclaim(self, claimer_cn: str) -> None:
        """Give it back; the account stays as it is until the next clean-up."""
        self.use(claimer_cn)
        self._claimed_until = -math.inf

    def use(self, claimer_cn: str) -> None:
        """Prolong the claim, which is needed for everything; ``DriverError`` 403 without one."""
        if not self.is_claimed:
            raise DriverError(403, "NOT_CLAIMED", f"device {self.number} is not claimed")
        if claimer_cn != self._claimer_cn:
            raise DriverError(403, "CLAIMED", f"device {self.number} is claimed by {self._claimer}")
        self._extend()

    def _extend(self) -> None:
        self._claimed_until = time.time() + self._seconds

    @property
    def info(self) -> dict[str, Any]:
        """``DeviceInfo``; the claimer is left empty when there is none, since the schema knows no null."""
        claimed = self.is_claimed
        until = self._claimed_until if claimed else 0.0
        found: dict[str, Any] = {
            "deviceId": self.number,
            "deviceName": self.config.name,
            "deviceStatus": "claimed" if claimed else "free",
            "claimerName": self._claimer if claimed else "",
            "claimedUntil": dt.datetime.fromtimestamp(until, dt.UTC).isoformat(timespec="seconds"),
        }
        optional = {
            "claimerCn": self._claimer_cn if claimed else "",
            "cn": self.config.card_name,
            "telematikId": self.config.telematik_id,
        }
        return {**found, **{key: value for key, value in optional.items() if value}}

    # Sessions

    @property
    def session(self) -> MatrixSession:
        """The session; ``DriverError`` 401 if nobody is logged in."""
        if self._session is None:
            raise refused_by_client(401, f"device {self.number} is not logged in")
        return self._session

    @property
    def is_logged_in(self) -> bool:
        """Whether there is a session."""
        return self._session is not None

    def log_in(self, account: tuple[str, str] | None = None) -> MatrixSession:
        """Log in, after logging out whoever is; see ``MatrixSession.log_in``."""
        if self._session is not None:
            self.log_out()
        self._session = MatrixSession.log_in(self.api.homeserver, self.config.name, self._account(account))
        return self._session

    def _account(self, wanted: tuple[str, str] | None) -> DeviceConfig:
        """What to log in with; one account may be on several devices, in whatever way it logs in."""
        if wanted is None:
            return self.config
        username, password = wanted
        for known in self.api.devices:
            if (known.username, known.password) == wanted:
                return known
        return DeviceConfig(name=self.config.name, username=username, password=password)

    def log_out(self) -> None:
        """End the session; it is gone here even if the homeserver knows it no longer."""
        session, self._session = self.session, None
        encryption, self._encryption = self._encryption, None
        self._owner_token = None
        try:
            session.log_out()
        finally:
            if encryption is not None:
                encryption.close()

    def encryption(self) -> Encryption:
        """The keys of the session; made at the first use."""
        if self._encryption is None:
            self._encryption = self._keyring.encryption_of(self.session)
        return self._encryption

    @property
    def has_encryption(self) -> bool:
        """Whether the session has keys."""
        return self._encryption is not None

    def owner_token(self, get: Callable[[], str]) -> str:
        """The session as an owner at the directory; ``get`` logs in."""
        if self._owner_token is None:
            self._owner_token = get()
        return self._owner_token
