"""Login at the identity providers of the TI: cards at the central IDP-Dienst, GesundheitsID by federation."""

import itertools
import json
import re

import pytest

from synapse_tim.jose.signed_token import SignedToken
from synapse_tim.testing import SynapseServer, wait_for
from synapse_tim.testing.simulator.idp.cards import InsuredPerson
from synapse_tim.testing.simulator.idp.provider import labels
from tests.gateway.e2e import world as w
from tests.gateway.e2e.world import LANDING, Browser, doctor, session_of, sso
from tests.gateway.services.upstream.providers import certificate, pem
from tests.login.e2e.world import IK, OTHER_IK, PHARMACIST, central, reasons, sectoral
from tests.support.world import versions_at

pytestmark = [pytest.mark.servers, pytest.mark.one_process, pytest.mark.logins_of_synapse]

WELL_KNOWN = "/.well-known/openid-federation"
_numbers = itertools.count()


def insured(**more):
    """An insured person who has never been here."""
    number = next(_numbers)
    person = {"kvnr": f"Y{number:09}", "ik": IK, "given_name": "Irma", "family_name": f"Insured{number}"}
    return InsuredPerson(**{**person, **more})


def started(ti, keys, directory, name, product, login, upstream, **gateway):
    """A server whose users log in through the gateway."""
    server = SynapseServer(name, directory / name, ti.world, modules=[w.module(ti, product, {})], extra=w.SSO)
    issuer = f"{server.federation_url}{w.GATEWAY}"
    client = w.synapse_client(server, keys, f"{name}-client")
    block = w.gateway(keys, [client], [upstream], **gateway)
    server.config["modules"] = [w.module(ti, product, login(issuer), identity_gateway=block)]
    server.config["oidc_providers"] = [w.single_sign_on(server, client)]
    server.config["public_baseurl"] = f"{server.federation_url}/"
    return server.start()


@pytest.fixture(scope="module")
def servers(ti, keys, tmp_path_factory):
    directory = tmp_path_factory.mktemp("ti-providers")
    (anchor := directory / "anchor.json").write_text(json.dumps(ti.federation_master.jwks))
    entity_key, key = keys.private("entity")
    decryption_key, _ = keys.private("tokens")
    path, ours = certificate(directory, "tls")
    ti.accept_client_certificate(pem(ours))
    trust_anchor = {"entity_id": ti.federation_master.issuer, "jwks_path": str(anchor)}

    def insurer_login(issuer):
        keys = {"trust_anchor": trust_anchor, "ca_certificates": str(ti.ca_file), "pause": "1s"}
        provider = sectoral(ti, audience=issuer, keys=keys)
        return {"providers": [provider], "decryption_keys": [decryption_key]}

    hospital = started(
        ti,
        keys,
        directory,
        "card-clinic",
        "pro",
        lambda issuer: {"providers": [central(ti, audience="our-client")]},
        {"provider": "idp-dienst", "name": "Card", "central": {"authenticator": False}},
    )
    insurer = started(
        ti,
        keys,
        directory,
        "gid-insurer",
        "epa",
        insurer_login,
        {"provider": "gesundheitsid", "name": "GesundheitsID", "sectoral": {"tls_certificates": [str(path)]}},
        entity={"organization_name": "Kasse TEST-ONLY", "entity_keys": [entity_key]},
    )
    ti.sectoral.clients.required = True
    members = {**key.public_jwk, "use": "sig", "alg": "ES256"}
    ti.federation_master.register(f"{insurer.federation_url}{w.GATEWAY}", {"keys": [members]})
    ti.add(hospital.server_name)
    ti.add(insurer.server_name, insurance=True, ik=[IK])
    ti.add("other-insurer.example", insurance=True, ik=[OTHER_IK])
    try:
        for server in (hospital, insurer):
            server.wait()
        wait_for(lambda: insurer.metrics().get("synapse_tim_federation_list_version"), what="the list")
        yield hospital, insurer
    finally:
        for server in (hospital, insurer):
            server.stop()
        ti.sectoral.clients.required = False


def visit(ti, server, person, people):
    """Log in as a person whom the provider knows."""
    people["visitor"] = person
    try:
        browser = Browser(ti)
        choice = re.escape(labels(people)["visitor"])
        return browser.visit(sso(server, f"{server.name}-client"), LANDING, choose=choice)
    finally:
        del people["visitor"]


def refused(server, answer, reason, text, before):
    assert answer.status_code == 400, answer.text
    assert text in answer.text and "Reference: " in answer.text
    assert reasons(server).get(reason, 0) == before.get(reason, 0) + 1


def test_af_10057_a_doctor_logs_in_with_a_card(servers, ti):
    hospital, _ = servers
    person = doctor()
    for _ in range(2):  # a second time to the same account
        answer = visit(ti, hospital, person, ti.idp.cards)
        assert answer.is_redirect, (answer.text, hospital.log_text()[-3000:])
        session = session_of(hospital, answer).json()
        assert session["user_id"] == f"@{person.id_nummer.lower()}:{hospital.server_name}"


def test_af_10057_a_card_of_another_profession_is_refused(servers, ti):
    hospital, _ = servers
    before = reasons(hospital)
    answer = visit(ti, hospital, doctor(profession_oid=PHARMACIST), ti.idp.cards)
    refused(hospital, answer, "profession_not_permitted", "profession", before)


def test_af_10234_an_insured_person_logs_in_by_federation(servers, ti):
    _, insurer = servers
    person = insured()
    for _ in range(2):
        answer = visit(ti, insurer, person, ti.sectoral.persons)
        assert answer.is_redirect, (answer.text, insurer.log_text()[-3000:])
        session = session_of(insurer, answer).json()
        assert session["user_id"] == f"@{person.kvnr.lower()}:{insurer.server_name}"


def test_af_10234_a_person_insured_elsewhere_is_refused(servers, ti):
    _, insurer = servers
    before = reasons(insurer)
    answer = visit(ti, insurer, insured(ik=OTHER_IK), ti.sectoral.persons)
    refused(insurer, answer, "other_insurer", "insured elsewhere", before)


def test_af_10234_the_code_of_the_insurer_is_judged_at_every_log_in(servers, ti):
    _, insurer = servers
    person = insured()

    def log_in_with(*codes):
        ti.add(insurer.server_name, insurance=True, ik=codes)
        wait_for(lambda: versions_at(insurer) == {ti.version}, what="the list")
        return visit(ti, insurer, person, ti.sectoral.persons)

    assert log_in_with(IK).is_redirect
    before = reasons(insurer)
    refused(insurer, log_in_with("103500693"), "other_insurer", "insured elsewhere", before)
    assert log_in_with("103500693", IK).is_redirect


def test_without_the_federation_master_the_provider_does_not_know_us(servers, ti):
    _, insurer = servers
    document = Browser(ti).get(f"{insurer.federation_url}{w.GATEWAY}{WELL_KNOWN}")
    assert document.headers["Content-Type"] == "application/entity-statement+jwt"
    claims = SignedToken.parse(document.content).unverified_claims
    assert claims["authority_hints"] == [ti.federation_master.issuer]
    member = ti.federation_master.members.pop(claims["sub"])
    try:
        answer = visit(ti, insurer, insured(), ti.sectoral.persons)
    finally:
        ti.federation_master.members[claims["sub"]] = member
    assert answer.status_code == 400 and "Reference: " in answer.text
    assert "pushed request: status 401, invalid_client" in insurer.log_text()
    assert visit(ti, insurer, insured(), ti.sectoral.persons).is_redirect


def test_no_token_and_no_name_gets_into_a_log(servers, ti):
    hospital, insurer = servers
    card, person = doctor(), insured()
    assert visit(ti, hospital, card, ti.idp.cards).is_redirect
    assert visit(ti, insurer, person, ti.sectoral.persons).is_redirect
    for server in servers:
        assert "eyJ" not in server.log_text()
    assert person.family_name not in insurer.log_text()
