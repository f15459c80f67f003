"""The discovery document of the central IDP: signed, rightly or as a fault demands (A_20657)."""

import datetime as dt
import threading
from collections.abc import Callable, Mapping
from typing import Final

from synapse_tim.testing.simulator.faults import Faults
from synapse_tim.testing.simulator.pki.signing import with_other_signature
from synapse_tim.testing.simulator.pki.world import Identity, TiWorld, sign_list

KID: Final = "puk_disc_sig"

_VALIDITY: Final = dt.timedelta(hours=24)


class DiscoveryOffice:
    """Signs the document anew for each request."""

    def __init__(self, world: TiWorld, faults: Faults, now: Callable[[], dt.datetime]) -> None:
        self._world = world
        self._faults = faults
        self._now = now
        self._lock = threading.Lock()
        self._signers: dict[str, Identity] = {}

    def signed(self, members: Mapping[str, str]) -> bytes:
        """The document with these members, without times, as it would be served now."""
        issued = self._now()
        if self._faults.idp_expired_discovery:
            issued -= 2 * _VALIDITY
        times = {"iat": int(issued.timestamp()), "exp": int((issued + _VALIDITY).timestamp())}
        jws = sign_list({**members, **times}, self._signer(), header={"kid": KID})
        return with_other_signature(jws) if self._faults.idp_bad_signature else jws

    def signers(self) -> tuple[Identity, ...]:
        """Every certificate of the genuine sub-CA that has signed so far."""
        with self._lock:
            return tuple(signer for kind, signer in self._signers.items() if kind != "foreign")

    def _signer(self) -> Identity:
        kind = "genuine"
        if self._faults.idp_wrong_role:
            kind = "wrong_role"
        elif self._faults.idp_foreign_signer:
            kind = "foreign"
        with self._lock:
            if kind not in self._signers:
                self._signers[kind] = self._issue(kind)
            return self._signers[kind]

    def _issue(self, kind: str) -> Identity:
        sub_ca = self._world.look_alike_sub_ca() if kind == "foreign" else self._world.sub_ca
        role = "tim" if kind == "wrong_role" else "idpd"
        return self._world.pki.fd_sig(sub_ca, "IDP Discovery", role=role)
