"""A TI in certificates, and gematik's published lists where they are at hand."""

from pathlib import Path

import attrs
import pytest

from synapse_tim.testing.simulator.pki.world import TiWorld, make_world
from tests.support.helpers import NOW

_DATA = Path(__file__).parents[3] / "shared" / "data" / "federation-list"


@pytest.fixture(scope="session")
def certs() -> TiWorld:
    """Everything in it is marked as belonging to a test environment."""
    return make_world(NOW)


@pytest.fixture(scope="session")
def production() -> TiWorld:
    """Certificates that look like those of the production environment."""
    return make_world(NOW, marks=False)


@attrs.frozen
class GenuineLists:
    """Two lists that gematik published, and what it takes to verify them."""

    lists: dict[int, bytes]
    sub_ca: bytes
    roots_json: bytes


@pytest.fixture(scope="session")
def genuine_lists() -> GenuineLists:
    if not _DATA.is_dir():
        pytest.skip(f"the genuine federation lists are not at hand: no directory {_DATA}")
    return GenuineLists(
        lists={version: (_DATA / f"ru-version-{version}.jws").read_bytes() for version in (956, 1650)},
        sub_ca=(_DATA / "GEM.KOMP-CA50_TEST-ONLY.der").read_bytes(),
        roots_json=(_DATA / "roots.json").read_bytes(),
    )
