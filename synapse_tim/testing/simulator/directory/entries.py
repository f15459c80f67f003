"""Who is listed in the simulated directory: organisations and practitioners with their addresses."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterable
from typing import Literal

import attrs

from synapse_tim.directory.owner_types import OwnerType, uri_of


@attrs.frozen
class ListedAddress:
    """An endpoint of an entry."""

    address: str  #: as it was written into the directory: ``matrix:u/…``, ``@…``, or anything else
    code: str = "tim"  #: the connection type: ``tim``, ``tim-fa``, ``tim-bot``, or one of another service
    status: str = "active"  #: of the endpoint: ``active``, or ``off`` for a hidden one
    hidden: bool = False  #: whether it is hidden from insured persons
    name: str = "Messenger"  #: of the endpoint

    @classmethod
    def of_user(
        cls, user_id: str, *, uri: bool = True, code: str = "tim", hidden: bool = False
    ) -> ListedAddress:
        """The address of a user.

        Args:
            user_id: ``@localpart:server``.
            uri: whether it is written as ``matrix:u/…``.
            code: the connection type.
            hidden: whether it is hidden from insured persons.
        """
        return cls(uri_of(user_id) if uri else user_id, code=code, hidden=hidden)


@attrs.frozen
class Entry:
    """An organisation or a practitioner."""

    number: int  #: unique
    kind: Literal["organisation", "practitioner"]  #: which of the two
    name: str  #: of the owner
    telematik_id: str  #: of the owner
    addresses: tuple[ListedAddress, ...]  #: where they are reached
    ik: str | None = None  #: the institution code of an organisation
    profession: str = "1.2.276.0.76.4.53"  #: OID of the profession
    active: bool = True  #: whether the owner is
    hidden: bool = False  #: whether an organisation is hidden from insured persons


class DirectoryEntries:
    """The entries; thread-safe. There are none at first.

    An entry is known by its kind and telematik id; adding another one with the same replaces it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._numbers = itertools.count(2_665_000, 1000)
        self._entries: dict[tuple[str, str], Entry] = {}

    def add_organisation(
        self,
        name: str,
        addresses: Iterable[str | ListedAddress] = (),
        *,
        telematik_id: str | None = None,
        ik: str | None = None,
        profession: str = "1.2.276.0.76.4.53",
        active: bool = True,
        hidden: bool = False,
    ) -> Entry:
        """List an organisation.

        Args:
            name: of it.
            addresses: user ids, which are listed as ``matrix:u/…``, or as ``ListedAddress`` says.
            telematik_id: default one made up.
            ik: institution code, nine digits.
            profession: OID.
            active: whether the organisation is.
            hidden: whether it is hidden from insured persons.
        """
        return self._add(
            "organisation", name, addresses, telematik_id, ik, profession, active=active, hidden=hidden
        )

    def add_practitioner(
        self,
        name: str,
        addresses: Iterable[str | ListedAddress] = (),
        *,
        telematik_id: str | None = None,
        profession: str = "1.2.276.0.76.4.30",
        active: bool = True,
    ) -> Entry:
        """List a practitioner; arguments as for ``add_organisation``."""
        return self._add(
            "practitioner", name, addresses, telematik_id, None, profession, active=active, hidden=False
        )

    def remove(self, telematik_id: str) -> None:
        """Remove the entries of a telematik id; ``KeyError`` if there are none."""
        with self._lock:
            found = [key for key in self._entries if key[1] == telematik_id]
            if not found:
                raise KeyError(telematik_id)
            for key in found:
                del self._entries[key]

    def clear(self) -> None:
        """Remove all entries."""
        with self._lock:
            self._entries.clear()

    @property
    def all(self) -> tuple[Entry, ...]:
        """The entries in the order in which they were added."""
        with self._lock:
            return tuple(self._entries.values())

    def owner_type(self, address: str) -> OwnerType:
        """In which part an address is listed, in exactly this spelling.

        What is inactive or off is not listed; what is hidden from insured persons is.
        """
        found = OwnerType.NONE
        for entry in self.all:
            listed = any(each.address == address and each.status == "active" for each in entry.addresses)
            if entry.active and listed:
                kind = OwnerType.ORG if entry.kind == "organisation" else OwnerType.PRACT
                found = found.combined(kind)
        return found

    def _add(
        self,
        kind: Literal["organisation", "practitioner"],
        name: str,
        addresses: Iterable[str | ListedAddress],
        telematik_id: str | None,
        ik: str | None,
        profession: str,
        *,
        active: bool,
        hidden: bool,
    ) -> Entry:
        listed = tuple(ListedAddress.of_user(each) if isinstance(each, str) else each for each in addresses)
        with self._lock:
            number = next(self._numbers)
            prefix = "1-SMC-B" if kind == "organisation" else "1-HBA"
            entry = Entry(
                number,
                kind,
                name,
                telematik_id or f"{prefix}-TESTKARTE-{number}",
                listed,
                ik,
                profession,
                active,
                hidden,
            )
            self._entries[kind, entry.telematik_id] = entry
        return entry
