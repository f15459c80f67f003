"""Federation lists of any size, signed in a throw-away PKI: what the benchmark measures with."""

import datetime as dt
import random
from pathlib import Path

from synapse_tim.testing.simulator.pki.world import TiWorld, make_world, sign_list

#: The moment at which everything is judged.
NOW = dt.datetime(2026, 6, 1, tzinfo=dt.UTC)

_WORDS = ("praxis", "klinik", "apotheke", "pflege", "zahnarzt", "hebamme", "labor", "radiologie", "nordstadt")
_INSURERS = 100  # one entry in so many
_LONG_ROWS = 700_000


def write_list(directory: Path, entries: int) -> None:
    """Write ``list.jws`` and the certificates to verify it: ``sub_ca.der`` and ``root.der``."""
    world = make_world(NOW)
    write_list_of(directory / "list.jws", payload(entries), world)
    (directory / "sub_ca.der").write_bytes(world.sub_ca.der)
    (directory / "root.der").write_bytes(world.sub_ca_root.der)


def write_list_of(file: Path, content: bytes, world: TiWorld) -> None:
    """Sign a payload."""
    file.write_bytes(sign_list(content, world.list_signer))


def payload(entries: int, version: int = 1650) -> bytes:
    """The JSON of a list with that many members, about 165 bytes each, one in a hundred an insurer.

    More than 700,000 are so short that they keep within 160 MiB, signed.
    """
    chance = random.Random(entries)
    row = _row if entries <= _LONG_ROWS else _short_row
    rows = b",".join(row(number, chance).encode() for number in range(entries))
    return b'{"version":%d,"domainList":[' % version + rows + b"]}"


def _short_row(number: int, chance: random.Random) -> str:
    insurer = str(number % _INSURERS == 0).lower()
    return (
        f'{{"domain":"{chance.choice(_WORDS)}-{number}.tim{number % 40}.example",'
        f'"telematikID":"1-2arv{number:09d}","isInsurance":{insurer}}}'
    )


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
