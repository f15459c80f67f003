"""Snapshot of the federation list, and the parser of its payload (requirement R1.1).

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
import json
import operator
import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import MappingProxyType
from typing import Any, Final

import attrs

from synapse_tim.core import strict_json
from synapse_tim.core.institution_code import is_code
from synapse_tim.core.server_name import are_normal, normalise
from synapse_tim.federation.refusals import ListRefusedError, Refusal

MAX_VERSION: Final = 2**53 - 1
MAX_ENTRIES: Final = 1_000_000

_IK_MEMBERS = ("ik", "iks", "ikNumbers")
_BATCH: Final = 4_000
_ARRAY: Final = re.compile(rb'"domainList":[ \t\n\r]*\[')
_AFTER_OBJECT: Final = re.compile(rb"\}[ \t\n\r]*,")
_WHITE: Final = (b" ", b"\t", b"\n", b"\r")
_MEMBERS: Final = operator.itemgetter("domain", "isInsurance", "telematikID")
_PIECE: Final = 1 << 18  # bytes that are parsed at once


@attrs.frozen(eq=False, repr=False)
class FederationList:
    """The members of the federation as one verified list names them."""

    version: int
    #: Each member's server name, in lower case and with its port if it has one, to whether it belongs to an
    #: insurer (``isInsurance``). Iterates and tests like a set of names, in their order.
    domains: Mapping[str, bool]
    insurance_domains: frozenset[str]  #: the names of the insurers' messenger services
    ik_to_domain: Mapping[str, str]  #: institution code (nine digits) to the insurer's server name
    issued_at: dt.datetime | None  #: ``iat``, if the list has one
    expires_at: dt.datetime | None  #: ``exp``, if the list has one
    digest: str  #: SHA-256 of the payload, in hex
    skipped: int  #: entries and institution codes left out because they were unusable

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

        Names are compared one by one in Python, which is slower than comparing containers and, unlike
        that, does not stop every other thread of the process.
        """
        return (
            len(self.domains) == len(other.domains)
            and self.insurance_domains == other.insurance_domains
            and self.ik_to_domain == other.ik_to_domain
            and all(mine == theirs for mine, theirs in zip(self.domains, other.domains, strict=True))
        )


def parse_payload(payload: bytes | bytearray) -> FederationList:
    """Read the payload of a list whose signature has been verified.

    Args:
        payload: the decoded payload of the JWS.

    Raises:
        ListRefusedError: with the reason.
    """
    # Hashing needs no interpreter: it goes on beside the parsing.
    with ThreadPoolExecutor(max_workers=1) as aside:
        digest = aside.submit(_digest, payload)
        reader, top = _read(payload)
    return FederationList(
        version=_version(top),
        domains=MappingProxyType(reader.domains()),
        insurance_domains=frozenset(reader.insurers),
        ik_to_domain=MappingProxyType(reader.ik_to_domain),
        issued_at=_time(top, "iat"),
        expires_at=_time(top, "exp"),
        digest=digest.result(),
        skipped=reader.skipped,
    )


def _digest(payload: bytes | bytearray) -> str:
    return hashlib.sha256(payload).hexdigest()


def _read(payload: bytes | bytearray) -> tuple[_Reader, dict[str, Any]]:
    try:
        return _read_in_pieces(payload)
    except (ListRefusedError, ValueError, RecursionError):
        pass  # of what is wrong with a document, or unusual in it, the whole of it tells
    reader = _Reader()
    top = _parse(payload)
    rows = _domain_list(top)
    for start in range(0, len(rows), _BATCH):
        reader.take(rows[start : start + _BATCH])
    return reader, top


def _read_in_pieces(payload: bytes | bytearray) -> tuple[_Reader, dict[str, Any]]:
    """Read a list of the usual form in two thirds of the time, and without all entries at once in memory.

    The array is cut after objects, and its pieces are parsed one by one. Should a cut be within a string or
    within an element, its pieces are no JSON: without escapes, a half of a string is not one. What is around
    the array is parsed as well, strictly, with nothing in the array.

    The fast parser drops members that occur twice. So members are counted in the text, too: as often as a
    quotation mark stands before a colon. It may stand there within a string, which makes the number too high,
    but without escapes and white space there it is never too low.

    Raises:
        ValueError: the document has another form, or there is something wrong with it.
        ListRefusedError: there is something wrong with it.
    """
    found, end = _ARRAY.search(payload), payload.rfind(b"]")
    escaped = b"\\" in payload or any(white in payload and white + b":" in payload for white in _WHITE)
    if found is None or found.end() > end or escaped:
        raise ValueError("not of the usual form")
    first = start = found.end()
    top = _parse(payload[:first] + payload[end:])
    if _domain_list(top):
        raise ValueError("not of the usual form")
    reader, members = _Reader(), 0
    while start < end:
        cut = _AFTER_OBJECT.search(payload, min(start + _PIECE, end), end)
        stop, following = (end, end) if cut is None else (cut.end() - 1, cut.end())
        rows = json.loads(f"[{payload[start:stop].decode()}]", parse_constant=strict_json.no_constant)
        if not rows or set(map(type, rows)) != {dict}:
            raise ValueError("an element that is no object")
        members += sum(map(len, rows))
        reader.take(rows)
        start = following
    if payload.count(b'":', first, end) != members:
        raise ValueError("a member that occurs twice, or in an object within an entry")
    return reader, top


def _parse(payload: bytes | bytearray) -> Any:
    try:
        return strict_json.parse(payload)
    except strict_json.StrictJsonError as error:
        raise ListRefusedError(Refusal.PAYLOAD_MALFORMED, str(error)) from None


def _domain_list(top: object) -> list[object]:
    if not isinstance(top, dict):
        raise ListRefusedError(Refusal.PAYLOAD_MALFORMED, "not an object")
    if "hashAlgorithm" in top:
        raise ListRefusedError(Refusal.PAYLOAD_HASHED, "the format with hashed domains")
    rows = top.get("domainList")
    if not isinstance(rows, list):
        raise ListRefusedError(Refusal.DOMAIN_LIST_INVALID, "no array domainList")
    return rows


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
    """Collects the entries."""

    def __init__(self) -> None:
        self.insurers: set[str] = set()
        self.ik_to_domain: dict[str, str] = {}
        self.skipped = 0
        self._entries = 0
        self._names: list[str] = []

    def domains(self) -> dict[str, bool]:
        """All names in order, to whether they are an insurer's."""
        found = dict.fromkeys(sorted(self._names), False)
        found.update(dict.fromkeys(self.insurers, True))
        return found

    def take(self, rows: Sequence[object]) -> None:
        """Take some elements of ``domainList``.

        Names are checked together, which takes a third of the time of checking each.
        """
        self._entries += len(rows)
        names: list[str] = []
        for row in rows:
            if not isinstance(row, dict):
                raise ListRefusedError(
                    Refusal.DOMAIN_LIST_INVALID, "an element of domainList is not an object"
                )
            if "hashAlgorithm" in row:
                raise ListRefusedError(Refusal.PAYLOAD_HASHED, "an entry with a hashed domain")
            try:
                domain, insurer, telematik_id = _MEMBERS(row)
            except KeyError:
                domain, telematik_id = row.get("domain"), row.get("telematikID")
                insurer = row.get("isInsurance", False)
            if type(domain) is not str or type(telematik_id) is not str:
                self.skipped += 1
            elif insurer is False:
                names.append(domain)
            elif insurer is True:
                self._add_insurer(domain, row)
            else:
                self.skipped += 1
        if self._entries > MAX_ENTRIES:
            raise ListRefusedError(Refusal.TOO_MANY_DOMAINS, f"more than {MAX_ENTRIES}")
        if are_normal(names):
            self._names += names
            return
        for name in map(normalise, names):
            if name is None:
                self.skipped += 1
            else:
                self._names.append(name)

    def _add_insurer(self, domain: str, entry: dict[str, Any]) -> None:
        name = normalise(domain)
        if name is None:
            self.skipped += 1
            return
        self.insurers.add(name)
        self._names.append(name)
        for member in _IK_MEMBERS:
            iks = entry.get(member)
            for ik in iks if isinstance(iks, list) else [] if iks is None else [iks]:
                text = str(ik) if type(ik) in (str, int) else ""
                if not is_code(text) or self.ik_to_domain.setdefault(text, name) != name:
                    self.skipped += 1
