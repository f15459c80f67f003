"""Federation lists of any size, signed in a throw-away PKI: what the benchmark measures with."""

import datetime as dt
import random
from pathlib import Path

from synapse_tim.testing.simulator.pki.world import make_world, sign_list

#: The moment at which everything is judged.
NOW = dt.datetime(2026, 6, 1, tzinfo=dt.UTC)

_WORDS = ("praxis", "klinik", "apotheke", "pflege", "zahnarzt", "hebamme", "labor", "radiologie", "nordstadt")
_INSURERS = 100  # one entry in so many


def write_list(directory: Path, entries: int) -> None:
    """Write ``list.jws`` and the certificates to verify it: ``sub_ca.der`` and ``root.der``."""
    world = make_world(NOW)
    (directory / "list.jws").write_bytes(sign_list(payload(entries), world.list_signer))
    (directory / "sub_ca.der").write_bytes(world.sub_ca.der)
    (directory / "root.der").write_bytes(world.sub_ca_root.der)


def payload(entries: int) -> bytes:
    """The JSON of a list with that many members, about 165 bytes each, one in a hundred an insurer."""
    chance = random.Random(entries)
    rows = b",".join(_row(number, chance).encode() for number in range(entries))
    return b'{"version":1650,"domainList":[' + rows + b"]}"


def _row(number: int, chance: random.Random) -> str:
    insurer = number % _INSURERS == 0
    labels = "-".join(chance.choices(_WORDS, k=3))
    iks = f'"{100_000_000 + number}"' if insurer else ""
    return (
        f'{{"domain":"{labels}-{number}.tim.provider-{number % 40}.example",'
        f'"telematikID":"{chance.randrange(1, 9)}-2arv{number:09d}",'
        f'"isInsurance":{str(insurer).lower()},"ik":[{iks}],'
        f'"timAnbieter":"ORG-{number % 40:04d}:BT-{number % 40:04d}"}}'
    )
