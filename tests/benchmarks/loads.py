"""What the servers are made to do, over connections that stay open as those of real clients do.

Each load is prepared first: users are registered and rooms are created outside the timing. Every invitation
is the first one in its room and for its invitee, so that nothing about either is in a cache.
"""

import concurrent.futures
import functools
import itertools
import threading
import time
from collections.abc import Callable
from typing import Any, Self

import attrs
import httpx
from pairs import Pair

from synapse_tim.testing import MatrixUser, SynapseServer

#: Said outright, because the module would put it in and plain Synapse would do otherwise.
_ROOM = {
    "preset": "private_chat",
    "room_version": "10",
    "initial_state": [
        {
            "type": "m.room.history_visibility",
            "state_key": "",
            "content": {"history_visibility": "invited"},
        }
    ],
}


@attrs.frozen
class Sizes:
    """How much is done in one round."""

    senders: int
    messages_each: int
    messages_alone: int
    invites: int


@attrs.frozen
class Sample:
    """One load in one round.

    Attributes:
        latencies: seconds of each request.
        seconds: of all of them together.
        cpu_seconds: that the servers of the pair used meanwhile.
    """

    latencies: list[float]
    seconds: float
    cpu_seconds: float


@attrs.define
class Client(MatrixUser):
    """A user with one connection that stays open; for one thread at a time."""

    _http: httpx.Client = attrs.field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        headers = {"Authorization": f"Bearer {self.access_token}"}
        self._http = httpx.Client(base_url=self.base_url, headers=headers, timeout=60.0, trust_env=False)

    def request(self, method: str, path: str, json: Any = None, **options: Any) -> httpx.Response:
        return self._http.request(method, path, json=json, **options).raise_for_status()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *reason: object) -> None:
        self._http.close()


class Loads:
    """The loads of one pair.

    Args:
        pair: the servers.
        sizes: how much in one round.
    """

    def __init__(self, pair: Pair, sizes: Sizes) -> None:
        self.pair = pair
        self._sizes = sizes
        self._numbers = itertools.count()
        self._senders = [self._client(pair.here) for _ in range(sizes.senders)]
        owner, *others = self._senders
        self._room = owner.create_room(**_ROOM)
        for other in others:
            owner.invite(self._room, other.user_id)
            other.join(self._room)

    def concurrent_messages(self) -> Callable[[], Sample]:
        """Several senders in one room, each sending as fast as it is answered."""

        def run() -> list[float]:
            start = threading.Barrier(len(self._senders))

            def work(sender: Client) -> list[float]:
                start.wait()
                return [self._send(sender) for _ in range(self._sizes.messages_each)]

            with concurrent.futures.ThreadPoolExecutor(len(self._senders)) as threads:
                return list(itertools.chain.from_iterable(threads.map(work, self._senders)))

        return functools.partial(self._measured, run)

    def lone_messages(self) -> Callable[[], Sample]:
        """One sender, one message after the other."""

        def run() -> list[float]:
            return [self._send(self._senders[0]) for _ in range(self._sizes.messages_alone)]

        return functools.partial(self._measured, run)

    def local_invites(self) -> Callable[[], Sample]:
        """Inviter and invitees on the same server."""
        return self._invites(self.pair.here)

    def remote_invites(self) -> Callable[[], Sample]:
        """Inviter on one server, invitees on the other: answered once the other server has signed."""
        return self._invites(self.pair.there)

    def _invites(self, server: SynapseServer) -> Callable[[], Sample]:
        inviter = self._client(self.pair.here)
        guests = [server.register(self._name()).user_id for _ in range(self._sizes.invites)]
        rooms = [inviter.create_room(**_ROOM) for _ in guests]

        def run() -> list[float]:
            with inviter:
                return [_timed(inviter.invite, *each) for each in zip(rooms, guests, strict=True)]

        return functools.partial(self._measured, run)

    def _measured(self, run: Callable[[], list[float]]) -> Sample:
        cpu, start = self.pair.cpu_seconds(), time.perf_counter()
        latencies = run()
        return Sample(latencies, time.perf_counter() - start, self.pair.cpu_seconds() - cpu)

    def _send(self, sender: Client) -> float:
        return _timed(sender.send, self._room, "Die Befunde von heute liegen in der Akte.")

    def _client(self, server: SynapseServer) -> Client:
        user = server.register(self._name())
        return Client(user.user_id, user.access_token, user.base_url, user.device_id)

    def _name(self) -> str:
        return f"user{next(self._numbers)}"


def _timed(request: Callable[..., object], *arguments: object) -> float:
    start = time.perf_counter()
    request(*arguments)
    return time.perf_counter() - start
