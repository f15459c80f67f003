"""What the servers are made to do, over connections that stay open as those of real clients do.

Each load is prepared first: users are registered and rooms are created outside the timing. Every invitation
is the first one in its room and for its invitee, so that nothing about either is in a cache.
"""

import concurrent.futures
import functools
import itertools
import secrets
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Self

import attrs
import httpx
from pairs import Pair

from synapse_tim.testing import MatrixUser, SynapseServer

#: As long as a room key in an Olm message, more or less.
_KEY = {"algorithm": "m.olm.v1.curve25519-aes-sha2", "sender_key": "x" * 43, "ciphertext": "x" * 1_200}
#: Devices of a room that get a key in one request.
_MANY = 20
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
    keys: int


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

    @classmethod
    def of(cls, parts: Sequence["Sample"]) -> Self:
        """One sample of several."""
        return cls(
            list(itertools.chain.from_iterable(part.latencies for part in parts)),
            sum(part.seconds for part in parts),
            sum(part.cpu_seconds for part in parts),
        )


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

    #: Those of which one request can be made alone, and is over when it is answered.
    SINGLE = ("lone_keys", "keys_for_many")

    def __init__(self, pair: Pair, sizes: Sizes) -> None:
        self.pair = pair
        self.sizes = sizes
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
                return [self._send(sender) for _ in range(self.sizes.messages_each)]

            with concurrent.futures.ThreadPoolExecutor(len(self._senders)) as threads:
                return list(itertools.chain.from_iterable(threads.map(work, self._senders)))

        return functools.partial(self._measured, run)

    def lone_messages(self) -> Callable[[], Sample]:
        """One sender, one message after the other."""

        def run() -> list[float]:
            return [self._send(self._senders[0]) for _ in range(self.sizes.messages_alone)]

        return functools.partial(self._measured, run)

    def local_invites(self) -> Callable[[], Sample]:
        """Inviter and invitees on the same server."""
        return self._invites(self.pair.here)

    def remote_invites(self) -> Callable[[], Sample]:
        """Inviter on one server, invitees on the other: answered once the other server has signed."""
        return self._invites(self.pair.there)

    def concurrent_keys(self) -> Callable[[], Sample]:
        """Several members of a room, each sending keys to the next one as fast as it is answered."""
        members = self._senders

        def run() -> list[float]:
            start = threading.Barrier(len(members))

            def work(number: int) -> list[float]:
                to = [members[(number + 1) % len(members)].user_id]
                start.wait()
                return [self._send_key(members[number], to) for _ in range(self.sizes.keys // len(members))]

            with concurrent.futures.ThreadPoolExecutor(len(members)) as threads:
                return list(itertools.chain.from_iterable(threads.map(work, range(len(members)))))

        return functools.partial(self._measured, run)

    def lone_keys(self) -> Callable[[], Sample]:
        """One member of a room sending keys to another one."""
        return self._keys(self._second, self.sizes.keys)

    def keys_for_many(self) -> Callable[[], Sample]:
        """One member of a room sending keys to many at once."""
        return self._keys(self._many, self.sizes.keys // 2)

    def remote_keys(self) -> Callable[[], Sample]:
        """One member of a room sending keys to one on the other server."""
        return self._keys([self._far.user_id], self.sizes.keys)

    def single(self, load: str) -> Callable[[], Sample]:
        """One request of a load of ``SINGLE``."""
        return self._keys(self._many if load == "keys_for_many" else self._second, 1)

    def _keys(self, recipients: list[str], times: int) -> Callable[[], Sample]:
        def run() -> list[float]:
            return [self._send_key(self._senders[0], recipients) for _ in range(times)]

        return functools.partial(self._measured, run)

    @property
    def _second(self) -> list[str]:
        return [self._senders[1].user_id]

    @functools.cached_property
    def _many(self) -> list[str]:
        members = [self._client(self.pair.here) for _ in range(_MANY)]
        for member in members:
            self._senders[0].invite(self._room, member.user_id)
            member.join(self._room)
        return [member.user_id for member in members]

    @functools.cached_property
    def _far(self) -> Client:
        far = self._client(self.pair.there)
        self._senders[0].invite(self._room, far.user_id)
        far.join(self._room, via=[self._senders[0].server_name])
        return far

    def _send_key(self, sender: Client, recipients: list[str]) -> float:
        messages = {user: {"*": _KEY} for user in recipients}
        path = f"/_matrix/client/v3/sendToDevice/m.room.encrypted/{next(self._numbers)}"
        return _timed(sender.request, "PUT", path, {"messages": messages})

    def _invites(self, server: SynapseServer) -> Callable[[], Sample]:
        inviter = self._client(self.pair.here)
        guests = [server.register(self._name()).user_id for _ in range(self.sizes.invites)]
        rooms = [inviter.create_room(**_ROOM) for _ in guests]

        def run() -> list[float]:
            with inviter:
                return [_timed(inviter.invite, *each) for each in zip(rooms, guests, strict=True)]

        return functools.partial(self._measured, run)

    def _measured(self, run: Callable[[], list[float]]) -> Sample:
        self.pair.prepare()
        cpu, start = self.pair.cpu_seconds(), time.perf_counter()
        latencies = run()
        return Sample(latencies, time.perf_counter() - start, self.pair.cpu_seconds() - cpu)

    def _send(self, sender: Client) -> float:
        return _timed(sender.send, self._room, "Die Befunde von heute liegen in der Akte.")

    def _client(self, server: SynapseServer) -> Client:
        user = server.register(self._name())
        return Client(user.user_id, user.access_token, user.base_url, user.device_id)

    def _name(self) -> str:
        return f"user{secrets.token_hex(5)}"


def _timed(request: Callable[..., object], *arguments: object) -> float:
    start = time.perf_counter()
    request(*arguments)
    return time.perf_counter() - start
