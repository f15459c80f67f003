"""A user of a Matrix server, as a test drives it: the client-server API, thinly wrapped."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import quote

import attrs
import httpx

from synapse_tim.testing import loopback

_CLIENT = "/_matrix/client/v3"


def url_part(value: str) -> str:
    """A room id, user id or the like as one part of a path."""
    return quote(value, safe="")


@attrs.define
class MatrixUser:
    """A logged-in user.

    Methods return httpx's response where a test wants to see status and errcode. The others return what was
    asked for, and raise ``httpx.HTTPStatusError`` if the server refuses.
    """

    user_id: str  #: the MXID
    access_token: str = attrs.field(repr=False)  #: of the session
    base_url: str  #: of the server's client API
    device_id: str = ""  #: of the session, if known
    _transactions: Iterator[int] = attrs.field(factory=lambda: itertools.count(1), init=False, repr=False)
    _since: str = attrs.field(default="", init=False, repr=False)

    @classmethod
    def log_in(cls, base_url: str, user: str, password: str) -> MatrixUser:
        """Log in with a password."""
        body = {
            "type": "m.login.password",
            "identifier": {"type": "m.id.user", "user": user},
            "password": password,
        }
        answer = loopback.post(f"{base_url}{_CLIENT}/login", json=body)
        session = answer.raise_for_status().json()
        return cls(session["user_id"], session["access_token"], base_url, session["device_id"])

    @property
    def localpart(self) -> str:
        """The MXID between ``@`` and the first colon."""
        return self.user_id[1:].partition(":")[0]

    @property
    def server_name(self) -> str:
        """The MXID after the first colon."""
        return self.user_id.partition(":")[2]

    def at(self, base_url: str) -> MatrixUser:
        """The same session at another listener, for instance that of a worker."""
        return attrs.evolve(self, base_url=base_url)

    def request(
        self,
        method: str,
        path: str,
        json: Any = None,
        *,
        params: Mapping[str, str | int] | None = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """Any request as this user; ``path`` begins with ``/_matrix`` or ``/_synapse``."""
        all_headers = {"Authorization": f"Bearer {self.access_token}", **(headers or {})}
        url = self.base_url + path
        return loopback.request(method, url, headers=all_headers, json=json, params=params, content=content)

    def try_create_room(self, **body: Any) -> httpx.Response:
        """Create a room; the keywords are the body of ``createRoom``."""
        return self.request("POST", f"{_CLIENT}/createRoom", body)

    def create_room(self, **body: Any) -> str:
        """Create a room; returns its id."""
        return str(self.try_create_room(**body).raise_for_status().json()["room_id"])

    def invite(self, room_id: str, user_id: str) -> httpx.Response:
        """Invite a user."""
        return self.request("POST", self._room(room_id, "invite"), {"user_id": user_id})

    def join(self, room_id: str, via: Iterable[str] = ()) -> httpx.Response:
        """Join a room by its id or alias."""
        return self.request("POST", f"{_CLIENT}/join/{url_part(room_id)}{_via(via)}", {})

    def leave(self, room_id: str) -> httpx.Response:
        """Leave a room or reject an invite."""
        return self.request("POST", self._room(room_id, "leave"), {})

    def knock(self, room_id: str, via: Iterable[str] = ()) -> httpx.Response:
        """Knock on a room."""
        return self.request("POST", f"{_CLIENT}/knock/{url_part(room_id)}{_via(via)}", {})

    def send(self, room_id: str, text: str) -> httpx.Response:
        """Send a text message."""
        return self.send_event(room_id, "m.room.message", {"msgtype": "m.text", "body": text})

    def send_event(self, room_id: str, kind: str, content: Mapping[str, Any]) -> httpx.Response:
        """Send any event that is not state."""
        transaction = f"{id(self)}.{next(self._transactions)}"
        path = self._room(room_id, f"send/{url_part(kind)}/{transaction}")
        return self.request("PUT", path, dict(content))

    def put_state(
        self, room_id: str, kind: str, content: Mapping[str, Any], state_key: str = ""
    ) -> httpx.Response:
        """Set state."""
        path = self._room(room_id, f"state/{url_part(kind)}/{url_part(state_key)}")
        return self.request("PUT", path, dict(content))

    def state(self, room_id: str, kind: str, state_key: str = "") -> httpx.Response:
        """The content of one piece of state."""
        return self.request("GET", self._room(room_id, f"state/{url_part(kind)}/{url_part(state_key)}"))

    def members(self, room_id: str, membership: str = "join") -> set[str]:
        """The members of a room as this user's server knows them."""
        answer = self.request("GET", self._room(room_id, "members"), params={"membership": membership})
        return {event["state_key"] for event in answer.raise_for_status().json()["chunk"]}

    def messages(self, room_id: str, limit: int = 100) -> list[dict[str, Any]]:
        """The newest events of a room, newest first."""
        params: dict[str, str | int] = {"dir": "b", "limit": limit}
        answer = self.request("GET", self._room(room_id, "messages"), params=params)
        return list(answer.raise_for_status().json()["chunk"])

    def texts(self, room_id: str) -> list[str]:
        """The bodies of the newest messages, newest first."""
        events = self.messages(room_id)
        return [event["content"].get("body", "") for event in events if event["type"] == "m.room.message"]

    def sync(self, timeout_ms: int = 0) -> dict[str, Any]:
        """Sync from where the last one ended, so that no answer comes out of Synapse's cache."""
        params: dict[str, str | int] = {"timeout": timeout_ms}
        if self._since:
            params["since"] = self._since
        answer = self.request("GET", f"{_CLIENT}/sync", params=params).raise_for_status().json()
        self._since = answer["next_batch"]
        return dict(answer)

    def invited_to(self) -> set[str]:
        """The rooms this user has an invite for now."""
        # Another filter each time: Synapse answers an identical initial sync out of its cache.
        limit = 1 + next(self._transactions)
        filter_ = f'{{"room":{{"timeline":{{"limit":{limit}}}}}}}'
        answer = self.request("GET", f"{_CLIENT}/sync", params={"timeout": 0, "filter": filter_})
        return set(answer.raise_for_status().json().get("rooms", {}).get("invite", {}))

    def joined_rooms(self) -> set[str]:
        """The rooms this user is in."""
        answer = self.request("GET", f"{_CLIENT}/joined_rooms").raise_for_status()
        return set(answer.json()["joined_rooms"])

    def profile(self, user_id: str) -> httpx.Response:
        """A user's profile."""
        return self.request("GET", f"{_CLIENT}/profile/{url_part(user_id)}")

    def put_account_data(self, kind: str, content: Mapping[str, Any]) -> httpx.Response:
        """Store global account data."""
        return self.request("PUT", self._account_data(kind), dict(content))

    def account_data(self, kind: str) -> httpx.Response:
        """Read global account data."""
        return self.request("GET", self._account_data(kind))

    def _account_data(self, kind: str) -> str:
        return f"{_CLIENT}/user/{url_part(self.user_id)}/account_data/{url_part(kind)}"

    def _room(self, room_id: str, rest: str) -> str:
        return f"{_CLIENT}/rooms/{url_part(room_id)}/{rest}"


def _via(servers: Iterable[str]) -> str:
    """The query that names servers to go through, under its new name and its old one."""
    query = "&".join(f"{name}={url_part(server)}" for server in servers for name in ("via", "server_name"))
    return f"?{query}" if query else ""
