"""HTTP source of the signed list (requirements R1.8, R1.9).

The URL is a service of the operator's own or the directory itself; the second needs a session. A request
names the version at hand; 204 or 304 then means that it is current, and counts as a confirmation only in
answer to such a request. A mirror says in ``Age`` (RFC 9111 §5.1) how long ago it had its answer from its
own source; a list is never fresher here than there.
"""

import datetime as dt
from typing import Final

import attrs

from synapse_tim.directory.session import DirectorySession
from synapse_tim.federation.refusals import ListRefusedError, Refusal, as_refusals
from synapse_tim.jose.large_jws import JwsLimits
from synapse_tim.transport.fetcher import Fetcher, Response

DEADLINE_SECONDS: Final = 60.0


@attrs.frozen(eq=False)
class Fetched:
    """An answer of the source."""

    data: bytearray | None  #: the list, or ``None`` if the version at hand is current
    age: dt.timedelta  #: how long ago that was so, if a mirror says it


@attrs.frozen
class ListSource:
    """Where the list comes from."""

    fetcher: Fetcher  #: transport, with mutual TLS if the operator configured it
    url: str
    algorithm: str  #: asked for by ``sigAlg``
    session: DirectorySession | None = None  #: login to the directory, if the URL is the directory's
    limits: JwsLimits = attrs.field(factory=JwsLimits)  #: the cap of the body is that of the list
    deadline: float = DEADLINE_SECONDS  #: seconds for the whole download

    @as_refusals()
    def fetch(self, version: int | None) -> Fetched:
        """Ask for the list.

        Args:
            version: the version at hand, or ``None`` to have the list in any case.

        Raises:
            ListRefusedError: a reason of transport or ``authentication``.
        """
        response = self._request(version)
        if response.status == 401 and self.session is not None:
            self.session.forget()
            response = self._request(version)
        if response.status == 401:
            raise ListRefusedError(Refusal.AUTHENTICATION, "the list: status 401")
        age = dt.timedelta(seconds=response.age)
        if response.status in (204, 304) and version is not None:
            return Fetched(None, age)
        if response.status != 200:
            raise ListRefusedError(Refusal.HTTP_STATUS, f"the list: status {response.status}")
        return Fetched(response.body, age)

    def _request(self, version: int | None) -> Response:
        params = {"sigAlg": self.algorithm}
        if version is not None:
            params["version"] = str(version)
        headers = {"Accept": "application/octet-stream, */*;q=0.5"}
        if self.session is not None:
            headers["Authorization"] = f"Bearer {self.session.token()}"
        return self.fetcher.get(
            self.url,
            params=params,
            headers=headers,
            max_bytes=self.limits.total,
            deadline=self.deadline,
        )
