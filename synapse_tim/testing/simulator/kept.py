"""A simulator that can be restarted: certificates, ports and the federation list stay in a directory.

A homeserver that was configured for it goes on working: URLs, pins and files are the same, and the version of
the list does not go back. Identity providers have new signature keys, which homeservers fetch.
"""

import datetime as dt
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from synapse_tim.testing.simulator.pki.authority import TestPki
from synapse_tim.testing.simulator.pki.identity import Identity
from synapse_tim.testing.simulator.pki.world import TiWorld
from synapse_tim.testing.simulator.simulator import TiSimulator

_FILE: Final = "simulator.json"
_SINGLE: Final = (
    "sub_ca",
    "list_signer",
    "ocsp_signer",
    "root_ocsp_signer",
    "tls_ca",
    "tls_server",
    "tls_client",
)


class KeptStateError(Exception):
    """What is kept in a directory cannot be used; the message says why."""


def open_simulator(directory: Path, *, require_client_certificate: bool = False) -> TiSimulator:
    """The simulator that a directory keeps, or a new one; not started.

    Args:
        directory: is made if it does not exist.
        require_client_certificate: see ``TiSimulator``.

    Raises:
        KeptStateError: what is kept cannot be read.
        OSError: the directory cannot be read or written.
    """
    path = directory / _FILE
    if not path.exists():
        ti = TiSimulator(directory=directory, require_client_certificate=require_client_certificate)
        save(ti)
        return ti
    try:
        kept = json.loads(path.read_text("utf-8"))
        ti = TiSimulator(
            _world(kept),
            directory=directory,
            require_client_certificate=require_client_certificate,
            ports=(int(kept["ports"][0]), int(kept["ports"][1])),
        )
        ti.directory.restore(kept["domains"], int(kept["version"]))
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        raise KeptStateError(f"{path} cannot be read ({error}); remove it to begin anew") from None
    return ti


def save(ti: TiSimulator) -> None:
    """Keep a simulator as it is now in its directory."""
    world = ti.world
    kept = {
        "ports": ti.ports,
        "version": ti.version,
        "domains": ti.directory.rows(),
        "made": world.pki.now.isoformat(),
        "marks": world.pki.marks,
        "roots.json": world.roots_json().decode("ascii"),
        "roots": [_to_json(root) for root in world.roots],
        **{name: _to_json(getattr(world, name)) for name in _SINGLE},
    }
    path = ti.dir / _FILE
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    fresh.touch(mode=0o600)
    fresh.write_text(json.dumps(kept, indent=2), "utf-8")
    fresh.replace(path)  # an interruption here leaves the former state


def _world(kept: Mapping[str, Any]) -> TiWorld:
    # Serial numbers of certificates that are yet to be issued are higher than all from before.
    pki = TestPki(
        dt.datetime.fromisoformat(kept["made"]), marks=bool(kept["marks"]), first_serial=int(time.time())
    )
    single = {name: _identity(kept[name]) for name in _SINGLE}
    roots = tuple(_identity(root) for root in kept["roots"])
    return TiWorld(pki=pki, roots=roots, roots_json=kept["roots.json"].encode("ascii"), **single)


def _to_json(identity: Identity) -> dict[str, str]:
    return {"certificate": identity.pem.decode("ascii"), "key": identity.key_pem.decode("ascii")}


def _identity(kept: Mapping[str, str]) -> Identity:
    key = serialization.load_pem_private_key(kept["key"].encode("ascii"), None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError("a key is on no curve")
    return Identity(x509.load_pem_x509_certificate(kept["certificate"].encode("ascii")), key)
