"""Rules for which rooms are cleaned up.

- Inactive rooms (A_25318, A_25319; specification 1.1, and A_22811 of the legacy one): nothing was said for
  six months. Deleted.
- Orphaned rooms (A_28564-01; specification 1.2): nothing was ever said, the newest state event is older than
  14 days, and only the creator is in the room. Deleted.
- Rooms in which only insured persons are left (A_26348, A_26463; product epa): a week later the local ones
  leave. Nothing is deleted; what they have read they can still read.

In doubt a room stays. Rooms of server notices, and rooms whose state is incomplete, are never judged. All
times are those of this server's own clock (``received_ts``): what other servers say about the time of their
events has no influence on deletion.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping

import attrs

from synapse_tim.core.durations import DAY
from synapse_tim.core.products import Product, SpecVersion


class CleanupKind(enum.StrEnum):
    """Why a room is cleaned up; a label of ``synapse_tim_cleanup_rooms_total``."""

    INACTIVE = "inactive"
    ORPHANED = "orphaned"
    INSURED_ONLY = "insured_only"

    @property
    def requirements(self) -> str:
        """The gematik ids behind it."""
        return _REQUIREMENTS[self]


_REQUIREMENTS = {
    CleanupKind.INACTIVE: "A_25318, A_25319",
    CleanupKind.ORPHANED: "A_28564-01",
    CleanupKind.INSURED_ONLY: "A_26348",
}


@attrs.frozen
class Begun:
    """A removal that cleanup has begun: users leave, invitations are taken back; the purge comes later."""

    kind: CleanupKind
    since_ts: int  #: since when nothing had spoken for the room
    begun_ts: int


@attrs.frozen
class RoomFacts:
    """What is known of a room that nothing was said in, recently or ever."""

    room_id: str
    #: When an event that is not state last arrived, or ``None`` if there is none.
    last_message_ts: int | None = None
    last_event_ts: int = 0  #: when an event of any kind last arrived
    #: Of the newest invitation, knock or join, also of a returning user; 0 if there is none.
    last_arrival_ts: int = 0
    #: Who created it, or ``None`` if this server is not in it; its state is not known then.
    creator: str | None = None
    joined: int = 0  #: how many are in it, as far as known
    alone: str | None = None  #: who is in it, if it is one only
    #: When the newest invitation that is not answered arrived, or ``None`` if there is none.
    invited_ts: int | None = None
    #: When a local user was invited to it or knocked at it, and waits; or ``None``.
    awaiting_ts: int | None = None
    local: bool = False  #: whether a local user is in it
    space: bool = False  #: whether it groups other rooms (``m.space``)
    begun: Begun | None = None  #: its removal, if cleanup has begun it


@attrs.frozen
class InsuredRoom:
    """What is known of a room that a local user is in and only insured persons are left in."""

    room_id: str
    created_ts: int
    #: Who is out of it, by user id, and when that arrived; insured or not.
    departures: Mapping[str, int] = attrs.field(factory=dict)
    #: Who is invited and has not answered, and when that arrived; insured or not.
    invitations: Mapping[str, int] = attrs.field(factory=dict)


@attrs.frozen
class Due:
    """A room that is to be cleaned up."""

    room_id: str
    kind: CleanupKind
    since_ts: int  #: since when nothing has spoken for it
    begun_ts: int | None = None  #: when its removal was begun, or ``None`` if it was not


@attrs.frozen
class CleanupRules:
    """After how long what is cleaned up; milliseconds, or ``None`` for never."""

    inactive_ms: int | None = None  #: rooms in which nothing is said
    orphaned_ms: int | None = None  #: rooms without messages and members
    insured_only_ms: int | None = None  #: rooms in which only insured persons are left
    #: For how long an invitation that is not answered keeps a room; ``None`` for ever.
    invitations_ms: int | None = None

    @property
    def any(self) -> bool:
        """Whether anything is cleaned up."""
        return (self.inactive_ms, self.orphaned_ms, self.insured_only_ms) != (None, None, None)

    @classmethod
    def of(cls, product: Product, spec_version: SpecVersion) -> CleanupRules:
        """What gematik demands of a product in a generation (R3.28, R3.31, R3.34)."""
        newer = spec_version.has_rules_of_1_2
        return cls(
            inactive_ms=None if newer else 182 * DAY,
            orphaned_ms=14 * DAY if newer else None,
            insured_only_ms=7 * DAY if product is Product.EPA else None,
        )

    def may_be_due(self, last_message_ts: int | None, now_ms: int) -> bool:
        """Whether more has to be known of a room than when its last message arrived, if ever."""
        if last_message_ts is None:
            return self.inactive_ms is not None or self.orphaned_ms is not None
        return self.inactive_ms is not None and last_message_ts < now_ms - self.inactive_ms

    def judge(self, room: RoomFacts, now_ms: int) -> Due | None:
        """Whether a room is to be deleted."""
        begun = room.begun
        if begun is not None and self._is_on(begun.kind) and _is_left_alone(room, begun):
            return Due(room.room_id, begun.kind, begun.since_ts, begun.begun_ts)
        if self.orphaned_ms is not None:
            since = _orphaned_since(room)
            if since is not None and since < now_ms - self.orphaned_ms:
                return Due(room.room_id, CleanupKind.ORPHANED, since)
        if self.inactive_ms is not None:
            since = self._inactive_since(room, now_ms)
            if since is not None and since < now_ms - self.inactive_ms:
                return Due(room.room_id, CleanupKind.INACTIVE, since)
        return None

    def judge_insured(self, room: InsuredRoom, insurers: InsurersOf, now_ms: int) -> Due | None:
        """Whether the local users are to leave a room in which only insured persons are left."""
        if self.insured_only_ms is None:
            return None
        invited = [at for who, at in room.invitations.items() if _server_of(who) not in insurers.servers]
        if any(self._counts(at, now_ms) for at in invited):
            return None
        left = [at for who, at in room.departures.items() if _server_of(who) not in insurers.servers]
        since = max((room.created_ts, *left, *(at + (self.invitations_ms or 0) for at in invited)))
        return (
            Due(room.room_id, CleanupKind.INSURED_ONLY, since)
            if since < now_ms - self.insured_only_ms
            else None
        )

    def _counts(self, invited_ts: int | None, now_ms: int) -> bool:
        """Whether an invitation that is not answered still keeps a room."""
        if invited_ts is None:
            return False
        return self.invitations_ms is None or invited_ts >= now_ms - self.invitations_ms

    def _is_on(self, kind: CleanupKind) -> bool:
        return (self.inactive_ms if kind is CleanupKind.INACTIVE else self.orphaned_ms) is not None

    def _inactive_since(self, room: RoomFacts, now_ms: int) -> int | None:
        """When a room was last active, ``None`` if it is (A_25318).

        Invited users can still join, so the room stays; so it does for users who have just joined. A room
        without messages counts from its newest event; a space, which is not for talking, stays while it has
        local members.
        """
        if self._counts(room.invited_ts, now_ms) or self._counts(room.awaiting_ts, now_ms):
            return None
        if room.space and room.local and room.last_message_ts is None:
            return None
        said = room.last_event_ts if room.last_message_ts is None else room.last_message_ts
        return max(said, room.last_arrival_ts)


@attrs.frozen
class InsurersOf:
    """Servers whose users are insured persons; all other users are not."""

    #: Those of insurers, always including this server of product epa.
    servers: frozenset[str]
    own_server_name: str

    @classmethod
    def listed(cls, insurance_domains: frozenset[str], own_server_name: str) -> InsurersOf:
        """As the federation list says."""
        return cls(insurance_domains | {own_server_name}, own_server_name)


def _orphaned_since(room: RoomFacts) -> int | None:
    """When the newest event of an orphaned room arrived, ``None`` if it is none (A_28564-01).

    Unanswered invitations do not count; that is gematik's rule. A room on other servers to which a local
    user is invited is no orphan: its messages are not known here.
    """
    if room.last_message_ts is not None or (room.awaiting_ts is not None and not room.local):
        return None
    if room.joined and room.alone != room.creator:
        return None
    return room.last_event_ts


def _is_left_alone(room: RoomFacts, begun: Begun) -> bool:
    """Whether nothing has happened in a room since its removal was begun.

    The users leaving it, which is a part of the removal, is the newest event of the room then, and would
    speak for it.
    """
    return max(room.last_message_ts or 0, room.last_arrival_ts) <= begun.begun_ts


def _server_of(user_id: str) -> str:
    return user_id.partition(":")[2]
