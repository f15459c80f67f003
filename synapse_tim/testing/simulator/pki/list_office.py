"""Where the simulated directory signs its list, rightly or as a fault demands."""

import datetime as dt
import threading
from collections.abc import Callable

from cryptography.hazmat.primitives.asymmetric import ec

from synapse_tim.testing.simulator.directory.service import Directory
from synapse_tim.testing.simulator.faults import Faults
from synapse_tim.testing.simulator.pki.signing import with_other_signature
from synapse_tim.testing.simulator.pki.world import TYPE_FD_TLS_S, Identity, TiWorld, sign_list

_CURVES: dict[str, type[ec.EllipticCurve]] = {"BP256R1": ec.BrainpoolP256R1, "ES256": ec.SECP256R1}
ALGORITHMS = frozenset(_CURVES)


class ListOffice:
    """Signs lists, and keeps them for as long as nothing changes.

    Args:
        world: the certificates.
        directory: the content.
        now: the simulator's clock; what is expired is expired by it.
    """

    def __init__(self, world: TiWorld, directory: Directory, now: Callable[[], dt.datetime]) -> None:
        self._world = world
        self._directory = directory
        self._now = now
        self._lock = threading.Lock()
        self._signers: dict[tuple[str, str], Identity] = {("genuine", "BP256R1"): world.list_signer}
        self._signed: dict[tuple[object, ...], bytes] = {}

    def signed_list(self, algorithm: str, faults: Faults) -> bytes:
        """The list as it would be served now."""
        kind, unsigned = faults.signer_kind, faults.unsigned
        rollback, extra = int(faults.rollback), faults.same_version_other_content
        with self._lock:
            key = (self._directory.revision, rollback, extra, kind, algorithm, unsigned)
            jws = self._signed.get(key)
            if jws is None:
                payload = self._directory.payload(rollback=rollback, extra=extra)
                header = {"alg": "none"} if unsigned else None
                signer = self._signer(kind, algorithm)
                jws = sign_list(payload, signer, algorithm=algorithm, header=header)
                if unsigned:
                    jws = jws[: jws.rindex(b".") + 1]
                self._signed = {**dict(list(self._signed.items())[-3:]), key: jws}
        if faults.bad_signature:
            jws = with_other_signature(jws)
        return jws[: len(jws) * 2 // 3] if faults.truncated else jws

    def signers(self) -> tuple[Identity, ...]:
        """Every certificate of the genuine sub-CA that has signed so far."""
        with self._lock:
            return tuple(signer for (kind, _), signer in self._signers.items() if kind != "foreign")

    def _signer(self, kind: str, algorithm: str) -> Identity:
        signer = self._signers.get((kind, algorithm))
        if signer is None:
            signer = self._signers[kind, algorithm] = self._issue(kind, _CURVES[algorithm]())
        return signer

    def _issue(self, kind: str, curve: ec.EllipticCurve) -> Identity:
        pki, sub_ca, now = self._world.pki, self._world.sub_ca, self._now()
        match kind:
            case "genuine":
                return pki.list_signer(sub_ca, curve=curve)
            case "wrong_role":
                return pki.fd_sig(sub_ca, "RegService Signer", role="tim", curve=curve)
            case "wrong_type":
                return pki.fd_sig(sub_ca, "VZD-FHIR-FList-Signer", cert_type=TYPE_FD_TLS_S, curve=curve)
            case "foreign":
                return pki.list_signer(self._world.look_alike_sub_ca(), curve=curve)
            case "expired":
                window = (now - dt.timedelta(days=400), now - dt.timedelta(days=1))
            case "not_yet_valid":
                window = (now + dt.timedelta(days=1), now + dt.timedelta(days=400))
            case _:
                return pki.list_signer(sub_ca, curve=curve, marks=kind == "marked")
        return pki.list_signer(sub_ca, curve=curve, not_before=window[0], not_after=window[1])
