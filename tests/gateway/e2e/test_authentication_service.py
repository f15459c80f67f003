"""Login through the gateway and Matrix Authentication Service: the rules hold at every login (AF_10057)."""

import pytest

from synapse_tim.testing import MatrixUser, loopback, wait_for
from synapse_tim.testing.simulator.mas.client import OAuthClient
from tests.gateway.e2e.world import GATEWAY, Browser, doctor
from tests.login.e2e.world import CLIENT, PHARMACIST, reasons

pytestmark = [pytest.mark.servers, pytest.mark.one_process]


@pytest.fixture
def metadata(practice):
    url = f"{practice.client_url}/_matrix/client/v1/auth_metadata"
    return loopback.get(url).raise_for_status().json()


def visit(ti, metadata, person):
    """A new client of somebody, and where their browser ends."""
    browser, client = Browser(ti, person), OAuthClient(metadata)
    client.browser.close()
    client.browser = browser.client
    client.register().raise_for_status()
    with browser.known():
        return client, client.visit(client.ask())


def logged_in(practice, ti, metadata, person):
    client, answer = visit(ti, metadata, person)
    assert answer.is_redirect, (answer.text[-1000:], reasons(practice))
    token = client.redeem(answer).raise_for_status().json()["access_token"]
    me = whoami(practice, token).raise_for_status().json()
    return MatrixUser(me["user_id"], token, practice.client_url, me["device_id"])


def whoami(practice, token):
    headers = {"Authorization": f"Bearer {token}"}
    return loopback.get(f"{practice.client_url}{CLIENT}/account/whoami", headers=headers)


def test_af_10057_a_doctor_logs_in_and_is_refused_once_the_claims_have_changed(practice, ti, metadata):
    person = doctor()
    user = logged_in(practice, ti, metadata, person)
    assert user.user_id == f"@{person.id_nummer.lower()}:{practice.server_name}"
    shown = user.request("GET", f"{CLIENT}/profile/{user.user_id}").json()["displayname"]
    assert shown == f"{person.family_name}, {person.given_name}"
    assert logged_in(practice, ti, metadata, person).user_id == user.user_id
    for claims, reason in (
        ({"professionOID": PHARMACIST}, "profession_not_permitted"),
        ({"acr": "gematik-ehealth-loa-substantial"}, "acr_too_low"),
    ):
        ti.broker.claims.update(claims)
        before = reasons(practice).get(reason, 0)
        try:
            _, answer = visit(ti, metadata, person)
        finally:
            ti.broker.claims.clear()
        assert answer.status_code == 400 and "access_denied" in answer.text
        assert reasons(practice)[reason] == before + 1
    assert logged_in(practice, ti, metadata, person).user_id == user.user_id


def test_a_locked_account_does_not_log_in(practice, ti, metadata):
    person = doctor()
    user = logged_in(practice, ti, metadata, person)
    practice.mas.lock_user(user.localpart, deactivate=True)
    _, answer = visit(ti, metadata, person)
    assert answer.status_code in (400, 403)
    assert reasons(practice)["deactivated"] >= 1


def test_a_name_that_somebody_else_has_is_not_given_away(practice, ti, metadata):
    person = doctor()
    practice.mas.register_user(person.id_nummer.lower())
    _, answer = visit(ti, metadata, person)
    assert answer.status_code == 400
    assert reasons(practice)["not_linked"] >= 1


def test_r4_2_the_provider_ends_a_session(practice, ti, metadata):
    user, other = (logged_in(practice, ti, metadata, doctor()) for _ in range(2))
    url = f"{practice.federation_url}{GATEWAY}/logout"
    assert ti.broker.log_out(ti.broker.sessions[-2], url).status_code == 200
    wait_for(
        lambda: user.request("POST", f"{CLIENT}/createRoom", {}).status_code == 401,
        what="the end of the session",
    )
    assert other.try_create_room().status_code == 200
