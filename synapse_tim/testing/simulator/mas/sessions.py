"""Users, their sessions, and tokens, in memory; thread-safe."""

import secrets
import threading
import time
from collections.abc import Callable
from typing import Final

import attrs

API: Final = ("urn:matrix:client:api:*", "urn:matrix:org.matrix.msc2967.client:api:*")
DEVICE: Final = ("urn:matrix:client:device:", "urn:matrix:org.matrix.msc2967.client:device:")
SYNAPSE_ADMIN: Final = "urn:synapse:admin:*"


@attrs.define(eq=False)
class User:
    """A user."""

    name: str  #: the localpart
    admin: bool = False  #: ``can_request_admin``
    locked: bool = False  #: an administrator has locked the account
    deactivated: bool = False  #: or deactivated it
    sub: str = attrs.field(factory=lambda: secrets.token_hex(13).upper())

    @property
    def is_valid(self) -> bool:
        """Whether the user may use a session."""
        return not self.locked and not self.deactivated


@attrs.define(eq=False)
class BrowserSession:
    """A user logged in in a browser, by a session at an upstream provider."""

    user: User
    provider: str  #: its id
    subject: str
    sid: str | None  #: of the session there
    over: bool = False  #: whether it has ended


@attrs.define(eq=False)
class Session:
    """A session of a client."""

    user: User
    scope: str  #: what it may do
    client: str | None  #: its id; ``None`` for the compatibility layer
    device: str | None
    browser: BrowserSession | None = None  #: in which the user agreed
    over: bool = False  #: whether it has ended

    @property
    def is_compat(self) -> bool:
        """Whether it was begun by the compatibility layer."""
        return self.client is None

    @property
    def is_valid(self) -> bool:
        """Whether its tokens count."""
        return not self.over and self.user.is_valid


@attrs.frozen
class Token:
    """A token."""

    session: Session
    refresh: bool  #: whether it is a refresh token
    end: float | None  #: when it expires, of ``time.time``; ``None`` for never

    @property
    def is_valid(self) -> bool:
        """Whether it counts now."""
        return self.session.is_valid and (self.end is None or time.time() < self.end)


class Sessions:
    """Everything that MAS has in its database.

    Attributes:
        users: by name.
        links: accounts of persons, by provider and subject.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self.users: dict[str, User] = {}
        self.links: dict[tuple[str, str], User] = {}
        self._tokens: dict[str, Token] = {}
        self._sessions: list[Session] = []
        self._browsers: dict[str, BrowserSession] = {}

    def begin_browser(self, session: BrowserSession) -> str:
        """Keep a browser's session; returns its cookie."""
        cookie = secrets.token_urlsafe(16)
        with self._lock:
            self._browsers[cookie] = session
        return cookie

    def browser(self, cookie: str) -> BrowserSession | None:
        """The session of a cookie, if it counts."""
        with self._lock:
            found = self._browsers.get(cookie)
        return found if found is not None and not found.over and found.user.is_valid else None

    def browsers(self, wanted: Callable[[BrowserSession], bool]) -> list[BrowserSession]:
        """Sessions of browsers."""
        with self._lock:
            return [each for each in self._browsers.values() if wanted(each)]

    def begin(self, session: Session) -> Session:
        """Keep a session."""
        with self._lock:
            self._sessions.append(session)
        return session

    def issue(self, session: Session, *, refresh: bool = False, seconds: float | None = None) -> str:
        """Issue a token, named as MAS names them."""
        prefix = ("mc" if session.is_compat else "ma") + ("r_" if refresh else "t_")
        token = prefix + secrets.token_urlsafe(24)
        with self._lock:
            end = None if seconds is None else time.time() + seconds
            self._tokens[token] = Token(session, refresh, end)
        return token

    def find(self, token: str, *, refresh: bool = False) -> Token | None:
        """A token that counts."""
        with self._lock:
            found = self._tokens.get(token)
        return found if found is not None and found.refresh is refresh and found.is_valid else None

    def redeem(self, token: str, *, compat: bool) -> Session | None:
        """The session of a refresh token, which counts once; the access tokens before it end."""
        with self._lock:
            found = self.find(token, refresh=True)
            if found is None or found.session.is_compat is not compat:
                return None
            kept = {name: each for name, each in self._tokens.items() if each.session is not found.session}
            self._tokens = kept
            return found.session

    def end(self, wanted: Callable[[Session], bool]) -> list[User]:
        """End sessions; returns whose they were."""
        with self._lock:
            ended = [each for each in self._sessions if not each.over and wanted(each)]
            for session in ended:
                session.over = True
        return list({id(each.user): each.user for each in ended}.values())

    def devices(self, user: User) -> list[str]:
        """The devices of a user's sessions."""
        with self._lock:
            return [
                each.device for each in self._sessions if each.user is user and not each.over and each.device
            ]
