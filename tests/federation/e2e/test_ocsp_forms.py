"""A_25635: a responder that answers in another form than usual keeps nobody from the list."""

import datetime as dt

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.x509 import ocsp

from synapse_tim.testing import SynapseServer, wait_for
from synapse_tim.testing.simulator import endpoints as simulator
from tests.federation.e2e.conftest import enforcing, version_of
from tests.pki.rules.ocsp_answers import answer_of, statement

pytestmark = pytest.mark.servers

VERSION = "/_matrix/federation/v1/version"


def in_another_form(plain, ti, *, status=ocsp.OCSPCertStatus.GOOD):
    """What ``ocsp_answer`` says, among others, by SHA-256, and with the responder's certificate last."""

    def answer(request, *, certificates, responder, now, **more):
        subject, issuer = simulator.asked_about(request, certificates)
        now = now.replace(microsecond=0)
        until = now + dt.timedelta(hours=1)
        other = ti.world.ocsp_signer if issuer is ti.world.sub_ca else ti.world.root_ocsp_signer
        statements = [
            statement(other, issuer, at=now, until=until, status=ocsp.OCSPCertStatus.REVOKED),
            statement(subject, issuer, at=now, until=until, status=status, algorithm=hashes.SHA256()),
        ]
        carried = [each.certificate for each in (*ti.world.roots, issuer, responder)]
        like = plain(request, certificates=certificates, responder=responder, now=now, **more)
        return answer_of(statements, responder, carried, like=like)

    return answer


@pytest.mark.requirement("A_25632", "A_25635")
def test_a_list_comes_into_force_whatever_form_the_answers_have(ti, start, tmp_path, monkeypatch):
    plain = simulator.ocsp_answer
    monkeypatch.setattr(simulator, "ocsp_answer", in_another_form(plain, ti))
    member = SynapseServer("member", tmp_path / "member", ti.world)
    hospital = enforcing("hospital", tmp_path, ti)
    for server in (member, hospital):
        ti.add(server.server_name)
        start(server)
    wait_for(lambda: version_of(hospital) == ti.version, what="the list")
    assert member.federation_request("GET", VERSION, to=hospital).status_code == 200

    # The same form, and the signer is revoked: the nearest answer that has to be refused.
    revoked = in_another_form(plain, ti, status=ocsp.OCSPCertStatus.REVOKED)
    monkeypatch.setattr(simulator, "ocsp_answer", revoked)
    before = ti.version
    ti.add("newcomer.example")
    hospital.restart()
    name = 'synapse_tim_federation_list_updates_total{result="revoked"}'
    wait_for(lambda: hospital.metrics().get(name), what="the refusal")
    assert version_of(hospital) in (0, before)
