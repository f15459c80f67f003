"""Linking accounts that exist to persons at an identity provider, many at once (R4.4).

For homeservers whose accounts another product has made without links: their owners would be refused as
``not_linked``. An account that is linked to anybody stays as it is, and so does a person who has an account.
"""

import csv
import enum
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, Protocol, TextIO

import attrs

from synapse_tim.admin.api import StoringError


class LinkListError(ValueError):
    """The list of links cannot be used; says in which line."""


@attrs.frozen
class Link:
    """An account, and whom it is to be linked to."""

    user_id: str
    provider: str
    external_id: str = attrs.field(repr=False)  #: the subject


class Linked(enum.StrEnum):
    """Outcome of linking one account."""

    LINKED = "linked"
    ALREADY = "already linked"
    OTHER = "linked otherwise"
    TAKEN = "taken"
    NO_ACCOUNT = "no account"
    FAILED = "failed"


#: In words, for people.
MEANING: Final[Mapping[Linked, str]] = {
    Linked.LINKED: "the account is the person's",
    Linked.ALREADY: "it was before",
    Linked.OTHER: "the account is linked to somebody else, or also elsewhere, which is kept",
    Linked.TAKEN: "the person is linked to another account, which is kept",
    Linked.NO_ACCOUNT: "the account is deactivated or was never there",
    Linked.FAILED: "the homeserver did not answer as expected; run again",
}
#: What there is nothing to do about.
SETTLED: Final = frozenset({Linked.LINKED, Linked.ALREADY})


class Administrator(Protocol):
    """What is needed of ``HomeserverAdmin``."""

    def links(self, user_id: str, /) -> list[tuple[str, str]] | None:
        """Those of an account; ``None`` if it cannot be used."""
        ...

    def linked_to(self, provider: str, external_id: str, /) -> str | None:
        """The account of a person."""
        ...

    def link(self, user_id: str, provider: str, external_id: str, /) -> None:
        """Link them."""
        ...


def read_csv(file: TextIO, provider: str | None, server_name: str) -> list[Link]:
    """Read a list with a line of names: ``user_id``, ``external_id`` and, unless it is given, ``provider``.

    Raises:
        LinkListError: a value is missing, a user is of another server, or somebody is there twice.
    """
    rows = csv.DictReader(file)
    wanted = {"user_id", "external_id"} | (set() if provider else {"provider"})
    missing = wanted - set(rows.fieldnames or ())
    if missing:
        raise LinkListError(f"line 1: expected the columns {', '.join(sorted(wanted))}")
    found = []
    for row in rows:
        values = [(row.get(name) or "").strip() for name in ("user_id", "external_id", "provider")]
        user_id, external_id, named = values
        if not user_id or not external_id or not (named or provider):
            raise LinkListError(f"line {rows.line_num}: a value is missing")
        if not user_id.startswith("@") or user_id.partition(":")[2] != server_name:
            raise LinkListError(f"line {rows.line_num}: expected a user id of {server_name}")
        found.append(Link(user_id, named or provider or "", external_id))
    check_unique(found)
    return found


def check_unique(links: Iterable[Link]) -> None:
    """Refuse a list in which an account or a person is there twice; ``LinkListError``."""
    users: set[str] = set()
    persons: set[tuple[str, str]] = set()
    for number, link in enumerate(links, start=1):
        person = (link.provider, link.external_id)
        if link.user_id in users or person in persons:
            raise LinkListError(f"entry {number}: this account or this person was there before")
        users.add(link.user_id)
        persons.add(person)


def link_all(admin: Administrator, links: Iterable[Link], *, dry_run: bool) -> Iterator[tuple[Link, Linked]]:
    """Link each account, or say what would become of it."""
    for link in links:
        try:
            yield link, _link(admin, link, dry_run=dry_run)
        except StoringError:
            yield link, Linked.FAILED


def _link(admin: Administrator, link: Link, *, dry_run: bool) -> Linked:
    linked = admin.links(link.user_id)
    if linked is None:
        return Linked.NO_ACCOUNT
    if (link.provider, link.external_id) in linked:
        return Linked.ALREADY
    if linked:
        return Linked.OTHER
    if admin.linked_to(link.provider, link.external_id) is not None:
        return Linked.TAKEN
    if not dry_run:
        admin.link(link.user_id, link.provider, link.external_id)
    return Linked.LINKED
