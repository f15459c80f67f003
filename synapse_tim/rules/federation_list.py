"""The federation list as an immutable snapshot, and the reading of its payload (requirement R1.1).

Refused as a whole: what is not strict JSON, a version that is not an integer from 0 to 2^53 - 1, a
``domainList`` that is not an array of objects, more than a million entries, lists of hashed domains (the
old format: a digest would pass as a host name), ``iat``/``exp`` that are not integers.

Skipped and counted: an entry without a usable ``domain``, ``telematikID`` or ``isInsurance``. One bad row
must not cut off the federation.

Accepted although the schema says otherwise, because genuine lists contain it: unknown members, ``iks``
and ``ikNumbers`` for ``ik``, numbers for institution codes, insurers without any, ``null`` for optional
members, a domain that occurs twice. Where two entries for a domain disagree, it is an insurer's: that is
the more restrictive reading. ``redirectDomains`` are hosts that the directory may be redirected to, and
never members of the federation.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

import attrs

from synapse_tim.rules import strict_json
from synapse_tim.rules.refusals import ListRefusedError, Refusal
from synapse_tim.rules.server_name import normalise

MAX_VERSION: Final = 2**53 - 1
MAX_ENTRIES: Final = 1_000_000

_IK = re.compile(r"[0-9]{9}")
_IK_MEMBERS = ("ik", "iks", "ikNumbers")
# What an entry of domainList turns into while parsing. Only our code can make these objects, so an array
# that holds nothing else held nothing but JSON objects.
_ENTRY: Final = object()
_SKIPPED: Final = object()


@attrs.frozen(eq=False, repr=False)
class FederationList:
    """The members of the federation as one verified list names them.

    Attributes:
        version: grows with every change.
        domains: each member's server name, in lower case and with its port if it has one, to whether it
            belongs to an insurer (``isInsurance``). Iterates and tests like a set of names.
        insurance_domains: the names of the insurers' messenger services.
        ik_to_domain: institution code (nine digits) to the insurer's server name.
        issued_at: ``iat``, if the list has one.
        expires_at: ``exp``, if the list has one.
        digest: SHA-256 of the payload, in hex.
        skipped: entries and institution codes left out because they were unusable.
    """

    version: int
    domains: Mapping[str, bool]
    insurance_domains: frozenset[str]
    ik_to_domain: Mapping[str, str]
    issued_at: dt.datetime | None
    expires_at: dt.datetime | None
    digest: str
    skipped: int

    def __repr__(self) -> str:
        return (
            f"<FederationList version={self.version} domains={len(self.domains)} "
            f"insurance_domains={len(self.insurance_domains)}>"
        )

    def __contains__(self, server_name: object) -> bool:
        """Whether a server of exactly this name is a member."""
        return server_name in self.domains

    def says_the_same_as(self, other: FederationList) -> bool:
        """Whether both lists name the same members, insurers and institution codes.

        Compared entry by entry in Python, which is slower than comparing the containers and, unlike
        that, does not stop every other thread of the process.
        """
        mine, theirs = self.domains, other.domains
        if len(mine) != len(theirs) or len(self.ik_to_domain) != len(other.ik_to_domain):
            return False
        return all(theirs.get(name) is insurer for name, insurer in mine.items()) and all(
            other.ik_to_domain.get(ik) == name for ik, name in self.ik_to_domain.items()
        )


def parse_payload(payload: bytes | bytearray) -> FederationList:
    """Read the payload of a list whose signature has been verified.

    Args:
        payload: the decoded payload of the JWS.

    Raises:
        ListRefusedError: with the reason.
    """
    reader = _Reader()
    top = reader.read(payload)
    if reader.entries != reader.found_in(top["domainList"]):
        # Somewhere an object that is no entry has a member "domain". Correct, but slower and hungrier.
        reader = _Reader(only=_entries_apart(payload))
    return FederationList(
        version=_version(top),
        domains=MappingProxyType(reader.domains),
        insurance_domains=frozenset(name for name, insurer in reader.domains.items() if insurer),
        ik_to_domain=MappingProxyType(reader.ik_to_domain),
        issued_at=_time(top, "iat"),
        expires_at=_time(top, "exp"),
        digest=hashlib.sha256(payload).hexdigest(),
        skipped=reader.skipped,
    )


def _version(top: dict[str, Any]) -> int:
    version = top.get("version")
    if type(version) is not int or not 0 <= version <= MAX_VERSION:
        raise ListRefusedError(Refusal.VERSION_INVALID, repr(version)[:40])
    return version


def _time(top: dict[str, Any], member: str) -> dt.datetime | None:
    """A NumericDate (RFC 7519 §2); whole seconds only, as the old specification had them."""
    seconds = top.get(member)
    if seconds is None:
        return None
    try:
        if type(seconds) is not int:
            raise ValueError(member)
        return dt.datetime.fromtimestamp(seconds, dt.UTC)
    except (ValueError, OverflowError, OSError):
        raise ListRefusedError(Refusal.TIMES_INVALID, f"{member}: {seconds!r}"[:60]) from None


class _Reader:
    """Collects the entries while the parser goes through the document.

    No entry is kept as an object: each is read as soon as the parser has its members, which is what
    keeps memory down and lets other threads run.
    """

    def __init__(self, only: list[dict[str, Any]] | None = None) -> None:
        self.domains: dict[str, bool] = {}
        self.ik_to_domain: dict[str, str] = {}
        self.entries = 0
        self.skipped = 0
        for entry in only or ():
            self._add(entry)

    def read(self, payload: bytes | bytearray) -> dict[str, Any]:
        """The top-level object; its ``domainList`` holds only marks of this module."""
        try:
            top = strict_json.parse(payload, self._on_object)
        except strict_json.StrictJsonError as error:
            raise ListRefusedError(Refusal.PAYLOAD_MALFORMED, str(error)) from None
        if not isinstance(top, dict):
            raise ListRefusedError(Refusal.PAYLOAD_MALFORMED, "not an object")
        if "hashAlgorithm" in top:
            raise ListRefusedError(Refusal.PAYLOAD_HASHED, "the format with hashed domains")
        if not isinstance(top.get("domainList"), list):
            raise ListRefusedError(Refusal.DOMAIN_LIST_INVALID, "no array domainList")
        return top

    def found_in(self, domain_list: list[object]) -> int:
        """How many entries the array holds; each element has to be one, or an object without domain."""
        found = 0
        for element in domain_list:
            if element is _ENTRY or element is _SKIPPED:
                found += 1
            elif isinstance(element, dict):
                self.skipped += 1
            else:
                raise ListRefusedError(
                    Refusal.DOMAIN_LIST_INVALID, "an element of domainList is not an object"
                )
        return found

    def _on_object(self, pairs: strict_json.Pairs) -> object:
        members = strict_json.unique(pairs)
        if "domain" not in members or "domainList" in members:
            return members
        self.entries += 1
        if self.entries > MAX_ENTRIES:
            raise ListRefusedError(Refusal.TOO_MANY_DOMAINS, f"more than {MAX_ENTRIES}")
        return self._add(members)

    def _add(self, entry: dict[str, Any]) -> object:
        if "hashAlgorithm" in entry:
            raise ListRefusedError(Refusal.PAYLOAD_HASHED, "an entry with a hashed domain")
        domain, insurer = entry.get("domain"), entry.get("isInsurance", False)
        name = normalise(domain) if type(domain) is str else None
        if name is None or type(insurer) is not bool or type(entry.get("telematikID")) is not str:
            self.skipped += 1
            return _SKIPPED
        if insurer:
            self.domains[name] = True
            for member in _IK_MEMBERS:
                self._add_iks(entry.get(member), name)
        else:
            self.domains.setdefault(name, False)
        return _ENTRY

    def _add_iks(self, iks: object, name: str) -> None:
        if iks is None:
            return
        for ik in iks if isinstance(iks, list) else [iks]:
            text = str(ik) if type(ik) in (str, int) else ""
            if not _IK.fullmatch(text) or self.ik_to_domain.setdefault(text, name) != name:
                self.skipped += 1


def _entries_apart(payload: bytes | bytearray) -> list[dict[str, Any]]:
    """The elements of ``domainList`` as they are; the document has been parsed before."""
    rows = strict_json.parse(payload)["domainList"]
    return [row for row in rows if isinstance(row, dict)]
