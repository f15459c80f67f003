"""Rules of the migration of approval lists of ``legacy-1.1`` to permission configurations.

Approved users become exceptions to ``block all``, as does the own server, whose users need no approval in
the legacy generation. Users without approvals get no document: the operator's default applies.

Never changed: a document that the user has stored, or has changed since it was written here. What has expired
is left behind. Left for a later run: approvals that have not begun. A permission configuration knows no end,
so whether approvals that have one are taken over is for the operator to say.
"""

from __future__ import annotations

import enum
import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

import attrs

from synapse_tim.contacts.rules import Contact
from synapse_tim.core.products import Product
from synapse_tim.invites.permission_config import MAX_OCTETS, PermissionConfigError, parse


class Outcome(enum.StrEnum):
    """Outcome of migrating one approval."""

    MIGRATED = "migrated"
    COVERED = "covered"
    LEFT_OUT = "left out"
    SKIPPED = "skipped"
    EXPIRED = "expired"
    NO_ACCOUNT = "no account"
    LATER = "later"
    KEPT = "kept"
    LOCKED = "locked"
    TOO_LARGE = "too large"
    FAILED = "failed"
    UNDECIDED = "undecided"


#: In words, for people.
MEANING: Final[Mapping[Outcome, str]] = {
    Outcome.MIGRATED: "is in the permission configuration",
    Outcome.COVERED: "the user's own permission configuration lets the contact invite already",
    Outcome.LEFT_OUT: "has an end, and the operator leaves such approvals out",
    Outcome.SKIPPED: "the operator skips the user",
    Outcome.EXPIRED: "has expired",
    Outcome.NO_ACCOUNT: "the user's account is deactivated or was never there",
    Outcome.LATER: "has not begun; a later run takes it over",
    Outcome.KEPT: "the user has an own permission configuration, which refuses the contact and is kept",
    Outcome.LOCKED: "the user's account is locked; unlock it and run again, or skip the user",
    Outcome.TOO_LARGE: "the permission configuration would be larger than clients may store",
    Outcome.FAILED: "could not be stored",
    Outcome.UNDECIDED: "has an end; say --limited allow or --limited leave-out",
}
#: What is done, and is noted so that no later run asks again.
DECIDED: Final = frozenset({Outcome.MIGRATED, Outcome.COVERED, Outcome.LEFT_OUT, Outcome.SKIPPED})
#: What there is nothing to do about.
SETTLED: Final = DECIDED | {Outcome.EXPIRED, Outcome.NO_ACCOUNT}


class Limited(enum.StrEnum):
    """Handling of approvals with an end date."""

    ALLOW = "allow"
    LEAVE_OUT = "leave-out"


class Account(enum.Enum):
    """The account of the owner of a list."""

    IN_USE = enum.auto()
    LOCKED = enum.auto()
    GONE = enum.auto()


@attrs.frozen
class Note:
    """What an earlier run has decided about an approval."""

    start: int
    end: int | None
    outcome: str


@attrs.frozen
class UserList:
    """All that is known of a user."""

    owner: str = attrs.field(repr=False)
    contacts: Sequence[Contact]
    account: Account = Account.IN_USE  #: whether it can be used
    stored: object = None  #: the permission configuration that is stored, or ``None``
    written: Collection[str] = ()  #: digests of documents that earlier runs have written, or were about to
    notes: Mapping[str, Note] = attrs.field(factory=dict)  #: of earlier runs, by the user id of the contact


@attrs.frozen
class Plan:
    """What to do about a user."""

    owner: str = attrs.field(repr=False)
    outcomes: Mapping[Contact, Outcome]
    document: Mapping[str, Any] | None = None  #: to be written, or ``None``

    @property
    def open(self) -> bool:
        """Whether something is left for a later run."""
        return any(outcome not in SETTLED for outcome in self.outcomes.values())

    def count(self, outcome: Outcome) -> int:
        """How many approvals have an outcome."""
        return sum(each is outcome for each in self.outcomes.values())

    def failed(self) -> Plan:
        """The same if the document could not be written."""
        outcomes = {
            contact: Outcome.FAILED if outcome is Outcome.MIGRATED else outcome
            for contact, outcome in self.outcomes.items()
        }
        return Plan(self.owner, outcomes, self.document)


@attrs.frozen
class MigrationRules:
    """What the operator has said."""

    server_name: str
    product: Product
    limited: Limited | None = None  #: about approvals with an end; ``None`` if nothing
    skipped: frozenset[str] = frozenset()  #: user ids of users whose lists are not looked at

    def plan(self, user: UserList, now: int) -> Plan:
        """Decide what to do about a user at ``now``, in seconds since 1970."""
        outcomes = {contact: self._in_itself(user, contact, now) for contact in user.contacts}
        wanted = [contact for contact, outcome in outcomes.items() if outcome is Outcome.MIGRATED]
        if user.owner in self.skipped or user.account is Account.GONE:
            return Plan(user.owner, outcomes)
        document = permission_document(self.server_name, wanted)
        is_ours = digest(user.stored) in user.written or user.stored == document
        if user.stored is not None and not is_ours:
            kept = {contact: self._beside(user, contact) for contact in wanted}
            return Plan(user.owner, {**outcomes, **kept})
        if user.stored == document or (user.stored is None and not wanted):
            return Plan(user.owner, outcomes)
        if len(encoded(document)) > MAX_OCTETS:
            return Plan(user.owner, {**outcomes, **dict.fromkeys(wanted, Outcome.TOO_LARGE)})
        if user.account is Account.LOCKED:
            return Plan(user.owner, {**outcomes, **dict.fromkeys(wanted, Outcome.LOCKED)})
        return Plan(user.owner, outcomes, document)

    def _in_itself(self, user: UserList, contact: Contact, now: int) -> Outcome:
        """The outcome of an approval, regardless of what the user has stored."""
        if contact.is_expired(now):
            return Outcome.EXPIRED
        if user.owner in self.skipped:
            return Outcome.SKIPPED
        if user.account is Account.GONE:
            return Outcome.NO_ACCOUNT
        if contact.start > now:
            return Outcome.LATER
        if contact.end is None or self.limited is Limited.ALLOW:
            return Outcome.MIGRATED
        if self.limited is Limited.LEAVE_OUT:
            return Outcome.LEFT_OUT
        noted = _noted(user, contact)
        return Outcome(noted) if noted in (Outcome.MIGRATED, Outcome.LEFT_OUT) else Outcome.UNDECIDED

    def _beside(self, user: UserList, contact: Contact) -> Outcome:
        """The outcome of an approval beside a document of the user's own."""
        if _noted(user, contact) == Outcome.MIGRATED:
            return Outcome.MIGRATED  # and what the user has changed since is the user's business
        try:
            own = parse(user.stored, self.product)
        except PermissionConfigError:
            return Outcome.KEPT
        allowed = all(own.allows(contact.mxid, inviter_is_insured=each) for each in (True, False))
        return Outcome.COVERED if allowed else Outcome.KEPT


def permission_document(server_name: str, contacts: Collection[Contact]) -> dict[str, Any]:
    """The permission configuration of a user with approvals.

    Exceptions invert the default: with ``allow all`` the contacts would be the ones that are blocked.

    Args:
        server_name: of this server, whose users need no approval.
        contacts: who may invite the user.
    """
    return {
        "defaultSetting": "block all",
        "serverExceptions": {server_name: {}},
        "userExceptions": {contact.mxid: {} for contact in sorted(contacts, key=lambda each: each.mxid)},
    }


def encoded(document: object) -> bytes:
    """A document as it is sent; the same bytes for the same document."""
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode("ascii")


def digest(document: object) -> str:
    """Digest of a document; empty for one that is nested too deeply to be ours."""
    try:
        return hashlib.sha256(encoded(document)).hexdigest()
    except RecursionError:
        return ""


def _noted(user: UserList, contact: Contact) -> str | None:
    """What an earlier run has decided about an approval, if it has not changed since."""
    note = user.notes.get(contact.mxid)
    return (
        note.outcome if note is not None and (note.start, note.end) == (contact.start, contact.end) else None
    )
