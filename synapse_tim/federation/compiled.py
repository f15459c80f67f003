"""Compact form of a list that was verified: read once in one process, used by all.

Holds the server names exactly, in order, in deflated blocks: about eight bytes a name, and a look-up unpacks
one block. Half a million names take 4 MB; as strings in a dictionary they take 60. A trie (marisa-trie)
would take 2 MB and a fifth of the time to look up, but six times as long to make, and another library. Beside
the names are the insurers, the institution codes, version, times and counts.

Other processes get it out of the database, sealed: with the digest of the signed list, the certificates of
its signer, and a code (HMAC-SHA-256) that only processes of this homeserver can make. Nothing of it is looked
at before the code is right, so a database that somebody edits does not become a list.
"""

from __future__ import annotations

import base64
import bisect
import datetime as dt
import functools
import hmac
import itertools
import json
import struct
import zlib
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

import attrs
from cryptography import x509

from synapse_tim.core.server_name import MAX_LENGTH
from synapse_tim.federation.list import FederationList
from synapse_tim.pki.certificates import parse_certificate, to_der
from synapse_tim.pki.errors import CertificateError
from synapse_tim.pki.signer_path import SignerPath

#: Another layout has another number; what an older or newer release has stored is not used.
_FORMAT: Final = b"synapse_tim compiled list 1\n"
_BLOCK: Final = 64  # names: a look-up takes about 10 µs
_REMEMBERED: Final = 2048  # names that were looked up; those of busy servers take 0.1 µs
_CODE_BYTES: Final = 32
_LENGTH: Final = struct.Struct("<I")


class CompiledListError(ValueError):
    """A compiled list is not usable; the signed one has to be read.

    Attributes:
        authentic: whether this homeserver has made it: another release, or of another list.
    """

    def __init__(self, detail: str, *, authentic: bool) -> None:
        super().__init__(detail)
        self.authentic = authentic


class CompactDomains(Mapping[str, bool]):
    """Server names to whether they belong to an insurer, in order and in little memory.

    Args:
        blocks: deflated lines with names, one block after the other.
        heads: the first name of each block.
    """

    def __init__(
        self,
        blocks: memoryview,
        ends: Sequence[int],
        heads: Sequence[str],
        count: int,
        insurers: frozenset[str],
    ) -> None:
        self._names = functools.partial(_names, blocks, ends)
        self._blocks = len(heads)
        self._count = count
        self._insurers = insurers
        # Not a method: that would keep the list alive until the garbage is collected.
        self._has = functools.lru_cache(_REMEMBERED)(functools.partial(_has, self._names, heads))

    def __contains__(self, name: object) -> bool:
        # Longer ones are nobody's, and would be remembered at their full length.
        return isinstance(name, str) and len(name) <= MAX_LENGTH and self._has(name)

    def __getitem__(self, name: str) -> bool:
        if name not in self:
            raise KeyError(name)
        return name in self._insurers

    def __iter__(self) -> Iterator[str]:
        for block in range(self._blocks):
            yield from self._names(block)

    def __len__(self) -> int:
        return self._count


def _names(blocks: memoryview, ends: Sequence[int], block: int) -> list[str]:
    return zlib.decompress(blocks[ends[block - 1] if block else 0 : ends[block]]).decode("ascii").split("\n")


def _has(names: functools.partial[list[str]], heads: Sequence[str], name: str) -> bool:
    block = bisect.bisect_right(heads, name) - 1
    return block >= 0 and name in names(block)


@attrs.frozen(eq=False)
class CompiledList:
    """A list as other processes get it."""

    data: bytes  #: the compact form; the same list has the same bytes
    content: FederationList  #: the list, which uses these bytes
    jws_digest: str  #: SHA-256 over the whole serialization of the signed list, in hex
    algorithm: str

    @classmethod
    def of(cls, content: FederationList, jws_digest: str, algorithm: str) -> CompiledList:
        """Compile a list whose signature has been verified."""
        names = list(content.domains)
        heads = names[::_BLOCK]
        blocks = [
            zlib.compress("\n".join(names[start : start + _BLOCK]).encode("ascii"), 1)
            for start in range(0, len(names), _BLOCK)
        ]
        iks = [f"{ik} {name}" for ik, name in sorted(content.ik_to_domain.items())]
        sections = [
            *(_deflated(lines) for lines in (heads, sorted(content.insurance_domains), iks)),
            struct.pack(f"<{len(blocks)}I", *map(len, blocks)),
        ]
        facts = {
            "version": content.version,
            "issued_at": _seconds(content.issued_at),
            "expires_at": _seconds(content.expires_at),
            "digest": content.digest,
            "skipped": content.skipped,
            "count": len(names),
            "jws_digest": jws_digest,
            "algorithm": algorithm,
            "sections": [len(section) for section in sections],
        }
        return cls.read(_with_facts(facts, *sections, *blocks))

    @classmethod
    def read(cls, data: bytes) -> CompiledList:
        """Take up a compact form that can be believed.

        Raises:
            CompiledListError: it is of another release.
        """
        facts, rest = _facts(memoryview(data))
        ends = list(itertools.accumulate(facts["sections"]))
        heads, insurers, iks = (
            _lines(rest[start:end]) for start, end in zip((0, *ends), ends[:3], strict=False)
        )
        sizes = struct.unpack(f"<{(ends[3] - ends[2]) // _LENGTH.size}I", rest[ends[2] : ends[3]])
        insurance_domains = frozenset(insurers)
        # One string for each insurer, however many codes it has.
        shared = {name: name for name in insurance_domains}
        content = FederationList(
            version=facts["version"],
            domains=CompactDomains(
                rest[ends[3] :],
                list(itertools.accumulate(sizes)),
                heads,
                facts["count"],
                insurance_domains,
            ),
            insurance_domains=insurance_domains,
            ik_to_domain=MappingProxyType(
                {ik: shared.get(name, name) for ik, _, name in (line.partition(" ") for line in iks)}
            ),
            issued_at=_moment(facts["issued_at"]),
            expires_at=_moment(facts["expires_at"]),
            digest=facts["digest"],
            skipped=facts["skipped"],
        )
        return cls(data, content, facts["jws_digest"], facts["algorithm"])


@attrs.frozen(eq=False)
class VerifiedList:
    """A list and why it can be believed."""

    content: FederationList
    path: SignerPath  #: the verified path of its signer
    jws_digest: str  #: SHA-256 over the whole serialization, in hex
    compiled: CompiledList | None = None  #: the form in which it is handed to other processes


@attrs.frozen(eq=False)
class Seal:
    """Makes and judges the code that makes a stored form believable."""

    key: bytes = attrs.field(repr=False)  #: known to the processes of one homeserver only

    @classmethod
    def of(cls, secret: bytes, server_name: str) -> Seal:
        """Derive the key.

        Args:
            secret: that all processes of the homeserver share.
            server_name: of the homeserver; several may have the same secret.
        """
        purpose = b"synapse_tim compiled federation list\0" + server_name.encode()
        return cls(hmac.digest(secret, purpose, "sha256"))

    def close(self, compiled: CompiledList, path: SignerPath) -> bytes:
        """Make what is stored of a verified list."""
        certificates = [base64.b64encode(to_der(each)).decode() for each in (path.signer, path.sub_ca)]
        sealed = _with_facts({"certificates": certificates}, compiled.data)
        return hmac.digest(self.key, sealed, "sha256") + sealed

    def open(self, data: bytes | bytearray) -> tuple[CompiledList, tuple[x509.Certificate, ...]]:
        """Take up what was stored.

        Returns:
            The list, and its signer with the signer's issuer, whose path has to be verified.

        Raises:
            CompiledListError: this homeserver has not made it, or another release of this project.
        """
        code, sealed = data[:_CODE_BYTES], memoryview(data)[_CODE_BYTES:]
        if not hmac.compare_digest(code, hmac.digest(self.key, sealed, "sha256")):
            raise CompiledListError("it was not made by this homeserver", authentic=False)
        facts, form = _facts(sealed)
        try:
            certificates = tuple(parse_certificate(base64.b64decode(text)) for text in facts["certificates"])
        except CertificateError as error:
            raise CompiledListError(str(error), authentic=True) from None
        return CompiledList.read(bytes(form)), certificates


def _with_facts(facts: Mapping[str, Any], *sections: bytes) -> bytes:
    text = json.dumps(facts, separators=(",", ":")).encode()
    return b"".join((_FORMAT, _LENGTH.pack(len(text)), text, *sections))


def _facts(data: memoryview) -> tuple[dict[str, Any], memoryview]:
    if bytes(data[: len(_FORMAT)]) != _FORMAT:
        raise CompiledListError("it is of another release", authentic=True)
    start = len(_FORMAT) + _LENGTH.size
    (length,) = _LENGTH.unpack(data[len(_FORMAT) : start])
    return json.loads(bytes(data[start : start + length])), data[start + length :]


def _deflated(lines: Sequence[str]) -> bytes:
    return zlib.compress("\n".join(lines).encode("ascii"), 1)


def _lines(deflated: memoryview) -> list[str]:
    text = zlib.decompress(deflated).decode("ascii")
    return text.split("\n") if text else []


def _seconds(moment: dt.datetime | None) -> int | None:
    return None if moment is None else int(moment.timestamp())


def _moment(seconds: int | None) -> dt.datetime | None:
    return None if seconds is None else dt.datetime.fromtimestamp(seconds, dt.UTC)
