"""Each switch of the simulator does what it says."""

from __future__ import annotations

import datetime as dt
import inspect
import re

import attrs
import httpx
import pytest

from synapse_tim.federation.refusals import ListRefusedError, Refusal
from synapse_tim.federation.source import ListSource
from synapse_tim.federation.verifier import ListVerifier
from synapse_tim.jose.large_jws import CompactJws
from synapse_tim.pki.certificate_source import DownloadServer
from synapse_tim.pki.ocsp_client import OcspClient
from synapse_tim.pki.revocation import OcspMode
from synapse_tim.pki.trust_store import TrustStore
from synapse_tim.testing import loopback
from synapse_tim.testing.simulator.faults import Faults
from synapse_tim.testing.simulator.simulator import TiSimulator
from synapse_tim.transport.fetcher import Fetcher


@pytest.fixture
def attempt(ti: TiSimulator):
    """Fetch and verify the list as the product does, knowing its newest version."""
    fetcher = Fetcher()

    def run(deadline: float = 60.0):
        trust = TrustStore(DownloadServer(fetcher, ti.ca_base_url), ti.pins, allow_test=True)
        ocsp = OcspClient(OcspMode.HARD, fetcher, ti.ocsp_url)
        verifier = ListVerifier(trust, ocsp, frozenset({"BP256R1"}))
        octets = ListSource(fetcher, ti.plain_list_url, "BP256R1", deadline=deadline).fetch(ti.version).data
        return None if octets is None else verifier.verify(octets, ti.now()).content

    yield run
    fetcher.close()


@pytest.mark.parametrize(
    ("fault", "value", "reason"),
    [
        ("bad_signature", True, Refusal.SIGNATURE_INVALID),
        ("unsigned", True, Refusal.NOT_A_COMPACT_JWS),
        ("wrong_role", True, Refusal.SIGNER_ROLE),
        ("wrong_type", True, Refusal.SIGNER_TYPE),
        ("foreign_signer", True, Refusal.ISSUER_MISMATCH),
        ("expired_signer", True, Refusal.CERTIFICATE_EXPIRED),
        ("not_yet_valid_signer", True, Refusal.CERTIFICATE_NOT_YET_VALID),
        ("truncated", True, Refusal.NOT_A_COMPACT_JWS),
        ("status", 503, Refusal.HTTP_STATUS),
        ("redirect", "/elsewhere", Refusal.REDIRECT),
        ("drop_connection", True, Refusal.UNREACHABLE),
        ("slow_headers", 0.05, Refusal.DEADLINE),
        ("slow_drip", 0.05, Refusal.DEADLINE),
        ("oversized", 161 * 1024 * 1024, Refusal.TOO_LARGE),
        ("compressed", True, Refusal.COMPRESSED),
        ("gzip_bomb", 1 << 24, Refusal.COMPRESSED),
    ],
)
def test_faults_of_the_list(ti: TiSimulator, attempt, fault: str, value: object, reason: Refusal) -> None:
    assert attempt() is None
    setattr(ti.faults, fault, value)
    with pytest.raises(ListRefusedError) as error:
        attempt(deadline=0.4 if reason is Refusal.DEADLINE else 60.0)
    assert error.value.reason is reason
    ti.faults.reset()
    assert attempt() is None


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("revoked_signer", Refusal.REVOKED),
        ("revoked_sub_ca", Refusal.REVOKED),
        ("ocsp_unavailable", Refusal.OCSP_UNAVAILABLE),
        ("ocsp_stale", Refusal.OCSP_STALE),
        ("ocsp_foreign", Refusal.OCSP_FOREIGN),
        ("ocsp_tampered", Refusal.OCSP_SIGNATURE),
        ("ocsp_unknown", Refusal.OCSP_UNKNOWN_CERTIFICATE),
    ],
)
def test_faults_of_ocsp(ti: TiSimulator, attempt, fault: str, reason: Refusal) -> None:
    ti.faults.rollback = 1  # any list that is served whatever the client has
    assert attempt() is not None
    setattr(ti.faults, fault, True)
    with pytest.raises(ListRefusedError) as error:
        attempt()
    assert error.value.reason is reason


def test_rollback_and_equivocation(ti: TiSimulator, attempt) -> None:
    ti.faults.rollback = 2
    assert attempt().version == ti.version - 2
    ti.faults.reset()
    ti.faults.same_version_other_content = True
    assert attempt().version == ti.version
    assert len(attempt().domains) == 3


def test_always_204(ti: TiSimulator) -> None:
    ti.faults.always_204 = True
    assert loopback.get(ti.plain_list_url).status_code == 204


def test_an_endless_body_does_not_end(ti: TiSimulator) -> None:
    ti.faults.endless_body = True
    received = 0
    with httpx.stream("GET", ti.plain_list_url, trust_env=False) as answer:
        assert "Content-Length" not in answer.headers
        for chunk in answer.iter_raw():
            received += len(chunk)
            if received > 4 * 1024 * 1024:
                break
    assert received > 4 * 1024 * 1024


def test_a_gzip_bomb_unpacks_to_its_size(ti: TiSimulator) -> None:
    ti.faults.gzip_bomb = 1 << 20
    assert len(loopback.get(ti.plain_list_url).content) == 1 << 20


def test_a_signer_of_another_environment(ti: TiSimulator) -> None:
    ti.faults.signer_marks = False
    signer = CompactJws.parse(loopback.get(ti.plain_list_url).content).signer
    assert "TEST-ONLY" not in signer.subject.rfc4514_string()


def test_faults_of_transport_can_hit_other_paths(ti: TiSimulator) -> None:
    ti.faults.paths, ti.faults.status = ("/ECC/",), 500
    assert loopback.get(ti.ca_base_url + "/ECC/ROOT-CA/roots.json").status_code == 500
    assert loopback.get(ti.plain_list_url).status_code == 200


def test_the_clock_of_ocsp_can_be_off(ti: TiSimulator, attempt) -> None:
    ti.faults.rollback = 1
    now = ti.now()
    ti.clock_offset = dt.timedelta(days=3)
    assert ti.now() - now >= dt.timedelta(days=3)
    ti.clock_offset = dt.timedelta()
    assert attempt() is not None


def test_closing_does_not_wait_for_slow_answers(ti_simulator) -> None:
    ti = ti_simulator()
    ti.faults.slow_drip = 60.0
    with httpx.stream("GET", ti.plain_list_url, trust_env=False) as answer:
        ti.close()
        with pytest.raises(httpx.RemoteProtocolError):  # it was cut off
            answer.read()


def test_switches_from_text() -> None:
    faults = Faults()
    for name, text in {
        "bad_signature": "on",
        "signer_marks": "off",
        "rollback": "3",
        "slow_drip": "0.25",
        "redirect": "/x",
        "paths": "/a,/b",
    }.items():
        faults.set_from_text(name, text)
    assert faults.active() == {
        "bad_signature": True,
        "signer_marks": False,
        "rollback": 3,
        "slow_drip": 0.25,
        "redirect": "/x",
        "paths": ("/a", "/b"),
    }
    for name, text in (("nothing", "on"), ("bad_signature", "perhaps"), ("rollback", "on")):
        with pytest.raises(ValueError):
            faults.set_from_text(name, text)
    faults.reset()
    assert faults == Faults()


def test_every_switch_is_documented() -> None:
    source = inspect.getsource(Faults)
    for field in attrs.fields(Faults):
        assert re.search(rf"\n    (#: .+\n    {field.name}: |{field.name}: .+  #: )", source), field.name
