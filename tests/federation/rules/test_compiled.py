"""The compact form of a list: exactly the same list, and nobody else can make one."""

import datetime as dt
import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synapse_tim.federation.compiled import CompiledList, CompiledListError, Seal
from synapse_tim.federation.list import parse_payload
from synapse_tim.pki.signer_path import SignerPath
from synapse_tim.testing.simulator.pki.world import make_world

NOW = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
SEAL = Seal.of(b"secret", "hospital.example")


@pytest.fixture(scope="module")
def path():
    world = make_world(NOW)
    return SignerPath(*(each.certificate for each in (world.list_signer, world.sub_ca, world.sub_ca_root)))


def listed(*rows, **top):
    rows = [{"telematikID": "1", "isInsurance": False, **row} for row in rows]
    return parse_payload(json.dumps({"version": 7, **top, "domainList": rows}).encode())


def compiled(content):
    return CompiledList.of(content, "d" * 64, "BP256R1")


def many(n=1000):
    return listed(
        *(
            {"domain": f"h{i}.example", "isInsurance": i % 10 == 0, "ik": [f"{100_000_000 + i}"]}
            for i in range(n)
        ),
        iat=1_700_000_000,
        exp=1_900_000_000,
    )


def assert_same(found, content):
    assert dict(found.domains) == dict(content.domains)
    assert list(found.domains) == sorted(content.domains)
    assert len(found.domains) == len(content.domains)
    for name in (
        "version",
        "insurance_domains",
        "ik_to_domain",
        "issued_at",
        "expires_at",
        "digest",
        "skipped",
    ):
        assert getattr(found, name) == getattr(content, name)
    assert found.says_the_same_as(content)
    assert content.says_the_same_as(found)


@pytest.mark.parametrize("n", [0, 1, 63, 64, 65, 1000])
def test_it_is_the_same_list(n):
    content = many(n)
    assert_same(compiled(content).content, content)


_LABEL = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?", fullmatch=True)
_NAMES = st.lists(_LABEL, min_size=1, max_size=4).map(".".join)


@given(st.lists(st.tuples(_NAMES, st.booleans()), max_size=200), st.lists(_NAMES))
def test_any_list_is_the_same(rows, others):
    content = listed(*({"domain": name, "isInsurance": insurer} for name, insurer in rows))
    found = compiled(content).content
    assert_same(found, content)
    for name in others:
        assert (name in found) == (name in content)
        assert found.domains.get(name) == content.domains.get(name)


def test_names_are_exact():
    names = [f"h{i}.example" for i in range(300)]
    domains = compiled(listed(*({"domain": name} for name in names))).content.domains
    rows = "\n".join(sorted(names)[:2])
    for name in (
        "",
        "h",
        "H1.example",
        "h1.example ",
        "h1.exampl",
        "a",
        "z",
        rows,
        "h1.example\n",
        "é" * 300,
        "x" * 10**6,
    ):
        assert name not in domains
        assert domains.get(name) is None
    for thing in (None, 1, b"h1.example", ("h1.example",)):
        assert thing not in domains
    assert all(name in domains and domains[name] is False for name in names)
    with pytest.raises(KeyError):
        domains["h300.example"]


def test_what_is_looked_up_does_not_fill_memory():
    domains = compiled(many()).content.domains
    for i in range(10_000):
        assert f"unknown{i}.example" not in domains
    assert domains._has.cache_info().currsize <= 2048


def test_the_same_list_has_the_same_bytes():
    rows = [{"domain": f"h{i}.example"} for i in range(500)]
    first = listed(*rows)
    random.Random(1).shuffle(rows)
    second = parse_payload(
        json.dumps(
            {"version": 7, "domainList": [{"telematikID": "1", "isInsurance": False, **r} for r in rows]}
        ).encode()
    )
    one, other = compiled(first).data, CompiledList.of(second, "d" * 64, "BP256R1").data
    assert one.partition(b"}")[2] == other.partition(b"}")[2]  # all but the digest of the payload


def test_what_is_sealed_comes_back(path):
    original = compiled(many())
    found, certificates = SEAL.open(bytearray(SEAL.close(original, path)))
    assert found.data == original.data
    assert (found.jws_digest, found.algorithm) == ("d" * 64, "BP256R1")
    assert certificates == (path.signer, path.sub_ca)
    assert_same(found.content, original.content)


def test_tampering_anywhere_is_noticed(path):
    sealed = SEAL.close(compiled(many(100)), path)
    for position in range(len(sealed)):
        tampered = bytearray(sealed)
        tampered[position] ^= 1 << position % 8
        with pytest.raises(CompiledListError) as error:
            SEAL.open(tampered)
        assert not error.value.authentic


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        (b'"version":7', b'"version":9'),
        (b'"issued_at":1700000000', b'"issued_at":1700000001'),
        (b'"expires_at":1900000000', b'"expires_at":1900000001'),
        (b'"skipped":0', b'"skipped":1'),
        (b'"count":1000', b'"count":1001'),
        (b'"jws_digest":"dd', b'"jws_digest":"de'),
        (b'"algorithm":"BP256R1"', b'"algorithm":"BP256R2"'),
        (b'"digest":"', b'"digesT":"'),
        (b'"certificates":["M', b'"certificates":["N'),
    ],
)
def test_tampering_with_a_field_is_noticed(path, was, becomes):
    sealed = SEAL.close(compiled(many()), path)
    assert was in sealed
    with pytest.raises(CompiledListError, match="not made by this homeserver"):
        SEAL.open(sealed.replace(was, becomes))


@pytest.mark.parametrize("length", [0, 1, 31, 32, 33, 100, -1])
def test_what_is_cut_off_or_goes_on_is_noticed(path, length):
    sealed = SEAL.close(compiled(many()), path)
    for data in (sealed[:length], sealed + b"x"):
        with pytest.raises(CompiledListError):
            SEAL.open(data)


@pytest.mark.parametrize(("secret", "name"), [(b"other", "hospital.example"), (b"secret", "other.example")])
def test_another_homeserver_cannot_make_one(path, secret, name):
    sealed = Seal.of(secret, name).close(compiled(many()), path)
    with pytest.raises(CompiledListError) as error:
        SEAL.open(sealed)
    assert not error.value.authentic


def test_one_of_another_release_is_not_used(path, monkeypatch):
    monkeypatch.setattr("synapse_tim.federation.compiled._FORMAT", b"synapse_tim compiled list 2\n")
    sealed = SEAL.close(compiled(many()), path)
    monkeypatch.undo()
    with pytest.raises(CompiledListError, match="another release") as error:
        SEAL.open(sealed)
    assert error.value.authentic


def test_the_key_does_not_show():
    assert "secret" not in repr(SEAL)
    assert repr(SEAL.key) not in repr(SEAL)
    assert SEAL.key != b"secret"
