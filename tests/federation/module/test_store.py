"""The tables: what is written comes back, twice is as good as once, damage is no crash."""

import datetime as dt
import random

import pytest

from synapse_tim.federation.acceptance import Acceptance
from synapse_tim.federation.list_reader import pack, unpack
from synapse_tim.federation.store import ListStore
from synapse_tim.pki.trust_anchors import TrustAnchors, parse_roots
from synapse_tim.pki.trust_store import TrustMaterial
from synapse_tim.testing.simulator.pki.world import make_world

NOW = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
LIMIT = 10_000_000


@pytest.fixture
def store(api, run):
    store = ListStore(api)
    run(store.create_tables())
    return store


def acceptance(version=7, digest="d1"):
    return Acceptance(version, digest, "p1", NOW, NOW + dt.timedelta(hours=1), NOW)


@pytest.fixture
def material():
    world = make_world(NOW)
    anchors = TrustAnchors(frozenset([world.pin()]), allow_test=True)
    anchors = anchors.with_roots(parse_roots(world.roots_json()), NOW)
    return TrustMaterial(tuple(anchors.links.values()), (world.sub_ca.certificate,))


def test_creating_the_tables_twice_does_nothing(store, run):
    run(store.create_tables())
    remembered, octets, material = run(store.read(LIMIT))
    assert remembered is None
    assert octets is None
    assert material.links == material.sub_cas == ()


@pytest.mark.parametrize("size", [0, 1, 256 * 1024, 3_000_000])
def test_what_is_written_comes_back(store, run, material, size):
    octets = bytearray(random.Random(1).randbytes(size))
    for _ in range(2):
        run(store.write(acceptance(), pack(octets), material))
    remembered, packed, kept = run(store.read(LIMIT))
    read = unpack(packed, LIMIT)
    assert remembered == acceptance() == run(store.read_acceptance())
    assert read == octets
    assert [link.certificate for link in kept.links] == sorted(
        (link.certificate for link in material.links),
        key=lambda c: [link.certificate for link in kept.links].index(c),
    )
    assert {link.followed_at for link in kept.links} == {NOW}
    assert kept.sub_cas == material.sub_cas


def test_a_confirmation_leaves_the_list_alone(store, run, database):
    run(store.write(acceptance(), bytearray(b"list"), TrustMaterial()))
    later = acceptance().confirmed(NOW + dt.timedelta(days=1))
    run(store.write(later, None, TrustMaterial()))
    assert run(store.read(LIMIT))[:2] == (later, bytearray(b"list"))


def test_a_new_list_replaces_the_old_one(store, run, database):
    run(store.write(acceptance(), bytearray(b"old"), TrustMaterial()))
    run(store.write(acceptance(8, "d2"), bytearray(b"new"), TrustMaterial()))
    assert run(store.read(LIMIT))[:2] == (acceptance(8, "d2"), bytearray(b"new"))
    assert database.execute("SELECT COUNT(*) FROM synapse_tim_federation_list_chunk").fetchone() == (1,)


def test_a_later_version_is_never_overwritten(store, run):
    assert run(store.write(acceptance(8, "d2"), bytearray(b"new"), TrustMaterial())) is True
    assert run(store.write(acceptance(7), bytearray(b"old"), TrustMaterial())) is False
    assert run(store.read(LIMIT))[:2] == (acceptance(8, "d2"), bytearray(b"new"))
    assert run(store.write(acceptance(8, "d2"), None, TrustMaterial())) is True


@pytest.mark.parametrize(
    "damage",
    [
        "DELETE FROM synapse_tim_federation_list_chunk",
        "UPDATE synapse_tim_federation_list_chunk SET data = x'00'",
        "UPDATE synapse_tim_federation_list_chunk SET position = 5",
        "UPDATE synapse_tim_federation_list SET jws_digest = 'other'",
    ],
)
def test_a_damaged_list_is_no_list_and_the_floor_stays(store, run, database, damage):
    run(store.write(acceptance(), pack(b"list" * 1000), TrustMaterial()))
    database.execute(damage)
    remembered, packed, _ = run(store.read(LIMIT))
    assert remembered.version == 7
    assert packed is None or unpack(packed, LIMIT) is None


def test_a_list_that_is_or_unpacks_to_too_much_is_left_out(store, run):
    packed = pack(bytes(1_000_000))
    run(store.write(acceptance(), packed, TrustMaterial(), packed))
    for read in (store.read, store.read_compiled):
        assert run(read(len(packed) - 1))[1] is None
        assert run(read(len(packed)))[1] == packed
    assert unpack(packed, 999_999) is None
    assert len(unpack(packed, 1_000_000)) == 1_000_000


def test_the_compiled_list_belongs_to_the_list_that_is_stored(store, run, database):
    run(store.write(acceptance(), pack(b"list"), TrustMaterial(), b"compiled"))
    assert run(store.read_compiled(LIMIT))[:2] == (acceptance(), b"compiled")
    run(store.write(acceptance().confirmed(NOW + dt.timedelta(days=1)), None, TrustMaterial()))
    assert run(store.read_compiled(LIMIT))[1] == b"compiled"
    run(store.write(acceptance(8, "d2"), pack(b"new"), TrustMaterial()))  # as an older release does
    assert run(store.read_compiled(LIMIT))[:2] == (acceptance(8, "d2"), None)
    run(store.write_compiled("d1", b"late"))
    assert run(store.read_compiled(LIMIT))[1] is None
    run(store.write_compiled("d2", b"in time"))
    assert run(store.read_compiled(LIMIT))[1] == b"in time"
    assert database.execute("SELECT COUNT(*) FROM synapse_tim_federation_list_compiled").fetchone() == (1,)


def test_before_the_table_is_made_there_is_no_compiled_list(store, run, api):
    run(store.write(acceptance(), pack(b"list"), TrustMaterial()))
    works = api.run_db_interaction

    class UndefinedTableError(Exception):
        pgcode = "42P01"

    async def without_the_table(desc, function, *args):
        if "compiled" in desc:
            raise UndefinedTableError
        return await works(desc, function, *args)

    api.run_db_interaction = without_the_table
    assert run(store.read_compiled(LIMIT))[:2] == (acceptance(), None)


def test_a_damaged_certificate_is_left_out(store, run, database, material):
    run(store.write(acceptance(), None, material))
    database.execute("UPDATE synapse_tim_trust_certificate SET certificate = x'3000' WHERE kind = 'sub_ca'")
    kept = run(store.read(LIMIT))[2]
    assert kept.sub_cas == ()
    assert len(kept.links) == len(material.links)


def test_without_tables_reading_is_an_error_for_the_caller_to_wait_out(api, run):
    with pytest.raises(Exception, match="no such table"):
        run(ListStore(api).read_acceptance())


def test_evidence_follows_the_pins(store, run):
    """After another root is pinned, what is stored has to lead from there."""
    world = make_world(NOW)
    entries = parse_roots(world.roots_json())
    for pin in (0, -1):
        anchors = TrustAnchors(frozenset([world.pin(pin)]), allow_test=True).with_roots(entries, NOW)
        run(store.write(acceptance(), None, TrustMaterial(tuple(anchors.links.values()))))
        kept = run(store.read(LIMIT))[2]
        again = TrustAnchors(frozenset([world.pin(pin)]), allow_test=True).with_links(kept.links)
        assert len(again.links) == len(world.roots)
