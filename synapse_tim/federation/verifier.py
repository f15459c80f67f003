"""Verifies a list: header, path (A_25632), revocation (A_25635), signature, payload, in this order.

The path comes before the signature, so that a key that nobody vouches for makes this server hash nothing.
Signature and payload are left to a reader: in the modules, to a process of its own.
"""

import datetime as dt

import attrs
from cryptography import x509

from synapse_tim.federation import list_reader
from synapse_tim.federation.compiled import CompiledList, VerifiedList
from synapse_tim.federation.list_reader import Reader, ReadList, Task
from synapse_tim.federation.refusals import ListRefusedError, Refusal, as_refusals
from synapse_tim.jose.large_jws import CompactJws, JwsLimits
from synapse_tim.pki.ocsp_client import OcspClient
from synapse_tim.pki.signer_path import SignerPath
from synapse_tim.pki.trust_store import TrustStore


@attrs.frozen
class ListVerifier:
    """Turns bytes into a list that can be believed."""

    trust: TrustStore
    ocsp: OcspClient
    algorithms: frozenset[str]
    limits: JwsLimits = attrs.field(factory=JwsLimits)
    reader: Reader = list_reader.read

    def verify(self, data: bytes | bytearray, now: dt.datetime) -> VerifiedList:
        """Verify a list that was received.

        Raises:
            ListRefusedError: with the reason.
        """
        return self._verify(data, now, pack=False)[0]

    def verify_to_store(self, data: bytes | bytearray, now: dt.datetime) -> tuple[VerifiedList, bytes]:
        """The same, and the serialization as it is stored."""
        verified, read = self._verify(data, now, pack=True)
        return verified, read.packed or b""

    @as_refusals()
    def _verify(
        self, data: bytes | bytearray, now: dt.datetime, *, pack: bool
    ) -> tuple[VerifiedList, ReadList]:
        jws = self._parse(data)
        path = self.trust.find(jws.signer, jws.certificates[1:], now)
        self.ocsp.check(path, now)
        read = self.reader(Task(data, self.algorithms, self.limits, pack=pack))
        if read.certificates != jws.certificates:
            raise ListRefusedError(Refusal.INTERNAL, "another list was read than was given")
        return _verified(read.compiled, path), read

    @as_refusals()
    def verify_kept(self, packed: bytes | bytearray, at: dt.datetime) -> VerifiedList:
        """Verify a list that was accepted before, as of then and without any network.

        Whether it may still be used now is a matter of its staleness.

        Args:
            packed: the serialization as it is stored.
            at: when it was confirmed last.

        Raises:
            ListRefusedError: with the reason.
        """
        read = self.reader(Task(packed, self.algorithms, self.limits, packed=True))
        return _verified(read.compiled, self.trust.verify(read.certificates[0], read.certificates[1:], at))

    @as_refusals()
    def verify_compiled(
        self, compiled: CompiledList, certificates: tuple[x509.Certificate, ...], at: dt.datetime
    ) -> VerifiedList:
        """Verify the signer of a list that this homeserver has compiled, as of then and without any network.

        Its signature was verified before it was compiled.

        Raises:
            ListRefusedError: with the reason.
        """
        if compiled.algorithm not in self.algorithms:
            raise ListRefusedError(Refusal.ALGORITHM_NOT_ALLOWED, compiled.algorithm)
        return _verified(compiled, self.trust.verify(certificates[0], certificates[1:], at))

    @as_refusals()
    def confirm(self, verified: VerifiedList, now: dt.datetime) -> VerifiedList:
        """Judge the signer of the list in force again, now that its source has confirmed the list.

        Returns:
            The list with the path as it is now: a sub-CA may have been renewed.

        Raises:
            ListRefusedError: its path is no longer valid, or it is revoked.
        """
        path = self.trust.find(verified.path.signer, (verified.path.sub_ca,), now)
        self.ocsp.check(path, now)
        if path.certificates == verified.path.certificates:
            return verified
        return attrs.evolve(verified, path=path)

    @as_refusals()
    def digest(self, data: bytes | bytearray) -> str:
        """The digest by which bytes are recognised that were verified before.

        Raises:
            ListRefusedError: they are no compact JWS of the profile.
        """
        return self._parse(data).digest

    def _parse(self, data: bytes | bytearray) -> CompactJws:
        jws = CompactJws.parse(data, self.limits)
        jws.require_algorithm(self.algorithms)
        return jws


def _verified(compiled: CompiledList, path: SignerPath) -> VerifiedList:
    return VerifiedList(compiled.content, path, compiled.jws_digest, compiled)
