"""Verifies a list: header, path (A_25632), revocation (A_25635), signature, payload, in this order.

The path comes before the signature, so that a key that nobody vouches for makes this server hash nothing.
"""

from __future__ import annotations

import datetime as dt

import attrs

from synapse_tim.federation.acceptance import VerifiedList
from synapse_tim.federation.list import parse_payload
from synapse_tim.federation.refusals import as_refusals
from synapse_tim.jose.large_jws import CompactJws, JwsLimits
from synapse_tim.pki.ocsp_client import OcspClient
from synapse_tim.pki.trust_store import TrustStore


@attrs.frozen
class ListVerifier:
    """Turns bytes into a list that can be believed.

    Attributes:
        trust: builds the signer's path.
        ocsp: judges its revocation.
        algorithms: the signature algorithms that the operator allows.
        limits: the bounds of the serialization.
    """

    trust: TrustStore
    ocsp: OcspClient
    algorithms: frozenset[str]
    limits: JwsLimits = attrs.field(factory=JwsLimits)

    @as_refusals()
    def verify(self, data: bytes | bytearray, now: dt.datetime) -> VerifiedList:
        """Verify a list that was received.

        Raises:
            ListRefusedError: with the reason.
        """
        jws = self._parse(data)
        path = self.trust.find(jws.signer, jws.certificates[1:], now)
        self.ocsp.check(path, now)
        return VerifiedList(parse_payload(jws.verified_payload()), path, jws.digest)

    @as_refusals()
    def verify_kept(self, data: bytes | bytearray, at: dt.datetime) -> VerifiedList:
        """Verify a list that was accepted before, as of then and without any network.

        Whether it may still be used now is a matter of its staleness.

        Raises:
            ListRefusedError: with the reason.
        """
        jws = self._parse(data)
        path = self.trust.verify(jws.signer, jws.certificates[1:], at)
        return VerifiedList(parse_payload(jws.verified_payload()), path, jws.digest)

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
