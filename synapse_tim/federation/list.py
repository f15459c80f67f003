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
from collections.abc import Callable, Mapping
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
# What an object with a domain turns into while parsing. Only our code can make it, so as often as it occurs
# in domainList, there was an entry.
_ENTRY: Final = object()


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
        domains=MappingProxyType({name: reader.domains[name] for name in sorted(reader.domains)}),
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
    reader = _Reader()
    take = reader.taker()
    top = _parse(payload, take)
    reader.settle()
    if top is _ENTRY or reader.entries != _domain_list(top).count(_ENTRY):
        # Somewhere an object that is no entry has a member "domain". Correct, but slower and hungrier.
        reader = _Reader()
        take = reader.taker()
        top = _parse(payload)
    for row in _domain_list(top):
        if row is not _ENTRY:
            reader.add(row, take)
    reader.settle()
    return reader, top


def _parse(
    payload: bytes | bytearray, on_object: Callable[[strict_json.Pairs], Any] = strict_json.unique
) -> Any:
    try:
        return strict_json.parse(payload, on_object)
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
    """Collects the entries while the parser goes through the document.

    No entry is kept as an object: each is read as soon as the parser has its members, which is what
    keeps memory down. Names are checked in batches, which takes a third of the time of checking each.
    """

    def __init__(self) -> None:
        self.domains: dict[str, bool] = {}
        self.insurers: set[str] = set()
        self.ik_to_domain: dict[str, str] = {}
        self.entries = 0
        self.skipped = 0
        self._batch: list[str] = []  # names of entries that are no insurers', as they are written

    def taker(self) -> Callable[[strict_json.Pairs], object]:
        """Make the function that takes what may be an entry: any object with a domain, wherever it stands.

        It runs once for each entry, half a million times: hence a function with everything at hand, and the
        common case in one place.
        """
        batch, settle, add_uncommon = self._batch, self.settle, self._add_uncommon
        append = batch.append

        def take(pairs: strict_json.Pairs) -> object:
            members = dict(pairs)
            if len(members) != len(pairs):
                return strict_json.unique(pairs)  # raises
            try:
                domain, insurer, telematik_id = (
                    members["domain"],
                    members["isInsurance"],
                    members["telematikID"],
                )
            except KeyError:
                if "domain" not in members:
                    return members
                add_uncommon(members)
                return _ENTRY
            if (
                insurer is False
                and type(domain) is str
                and type(telematik_id) is str
                and "hashAlgorithm" not in members
            ):
                append(domain)
                if len(batch) >= _BATCH:
                    settle()
            else:
                add_uncommon(members)
            return _ENTRY

        return take

    def add(self, element: object, take: Callable[[strict_json.Pairs], object]) -> None:
        """Take an element of ``domainList``."""
        if not isinstance(element, dict):
            raise ListRefusedError(Refusal.DOMAIN_LIST_INVALID, "an element of domainList is not an object")
        if "domain" not in element:
            self._add_uncommon(element)
        else:
            take(list(element.items()))

    def settle(self) -> None:
        """Check and take the names that are still waiting for it."""
        names = self._batch[:]
        self._batch.clear()
        self.entries += len(names)
        if self.entries > MAX_ENTRIES:
            raise ListRefusedError(Refusal.TOO_MANY_DOMAINS, f"more than {MAX_ENTRIES}")
        if not are_normal(names):
            normalised = [normalise(name) for name in names]
            names = [name for name in normalised if name is not None]
            self.skipped += len(normalised) - len(names)
        for name in names:
            self.domains.setdefault(name, False)

    def _add_uncommon(self, entry: dict[str, Any]) -> None:
        """Take an entry that is an insurer's or incomplete, or skip one that is not usable."""
        if "hashAlgorithm" in entry:
            raise ListRefusedError(Refusal.PAYLOAD_HASHED, "an entry with a hashed domain")
        domain, insurer = entry.get("domain"), entry.get("isInsurance", False)
        named = isinstance(domain, str) and isinstance(entry.get("telematikID"), str)
        if named and insurer is False:
            self._batch.append(str(domain))
            if len(self._batch) >= _BATCH:
                self.settle()
            return
        self.entries += 1
        if named and insurer is True:
            self._add_insurer(str(domain), entry)
        else:
            self.skipped += 1

    def _add_insurer(self, domain: str, entry: dict[str, Any]) -> None:
        name = normalise(domain)
        if name is None:
            self.skipped += 1
            return
        self.domains[name] = True
        self.insurers.add(name)
        for member in _IK_MEMBERS:
            iks = entry.get(member)
            for ik in iks if isinstance(iks, list) else [] if iks is None else [iks]:
                text = str(ik) if type(ik) in (str, int) else ""
                if not is_code(text) or self.ik_to_domain.setdefault(text, name) != name:
                    self.skipped += 1
