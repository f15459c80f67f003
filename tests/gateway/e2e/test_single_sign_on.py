"""Login through the gateway and Synapse's own single sign-on (AF_10057, R4.4)."""

import pytest

from synapse_tim.testing import loopback, wait_for
from synapse_tim.testing.merge import REMOVED
from tests.gateway.e2e.world import GATEWAY, LANDING, Browser, doctor, session_of, sso
from tests.login.e2e.world import PHARMACIST, code, profile, reasons, whoami

pytestmark = pytest.mark.servers


def logged_in(clinic, browser):
    answer = browser.visit(sso(clinic), LANDING)
    assert answer.is_redirect, (answer.text[-1500:], reasons(clinic))
    return session_of(clinic, answer).json()


def test_af_10057_a_doctor_logs_in_again_and_again(clinic, ti):
    person = doctor()
    session = logged_in(clinic, Browser(ti, person))
    assert session["user_id"] == f"@{person.id_nummer.lower()}:{clinic.server_name}"
    name = f"{person.family_name}, {person.given_name}"
    wait_for(lambda: profile(clinic, session) == name, what="the name")
    assert logged_in(clinic, Browser(ti, person))["user_id"] == session["user_id"]
    assert logged_in(clinic, Browser(ti, doctor()))["user_id"] != session["user_id"]


@pytest.mark.parametrize(
    ("reason", "claims", "text"),
    [
        ("acr_too_low", {"acr": "gematik-ehealth-loa-substantial"}, "strongly enough"),
        ("amr_not_allowed", {"amr": ["pwd"]}, "strongly enough"),
        ("profession_not_permitted", {"professionOID": PHARMACIST}, "profession"),
        ("claim_missing", {"acr": REMOVED}, "start again"),
    ],
)
def test_af_10057_the_rules_hold_at_every_log_in(clinic, ti, reason, claims, text):
    person = doctor()
    for again in range(2):
        ti.broker.claims.update(claims)
        before = reasons(clinic).get(reason, 0)
        try:
            answer = Browser(ti, person).visit(sso(clinic), LANDING)
        finally:
            ti.broker.claims.clear()
        assert answer.status_code == 400, again
        assert text in answer.text and "Reference: " in answer.text
        assert reasons(clinic)[reason] == before + 1
        logged_in(clinic, Browser(ti, person))


def test_r4_2_the_provider_ends_a_session(clinic, ti):
    person = doctor()
    session, other = (logged_in(clinic, Browser(ti, each)) for each in (person, doctor()))
    sid = ti.broker.sessions[-2]
    answer = ti.broker.log_out(sid, f"{clinic.federation_url}{GATEWAY}/logout")
    assert answer.status_code == 200
    wait_for(lambda: whoami(clinic, session) == (401, "M_UNKNOWN_TOKEN"), what="the end of the session")
    assert whoami(clinic, other)[0] == 200
    assert ti.broker.log_out(sid, f"{clinic.federation_url}{GATEWAY}/logout").status_code == 200  # again
    assert whoami(clinic, other)[0] == 200
    later = logged_in(clinic, Browser(ti, person))
    forged = loopback.post(f"{clinic.client_url}{GATEWAY}/logout", data={"logout_token": "x.y.z"})
    assert code(forged) == (400, "M_INVALID_PARAM")
    assert whoami(clinic, later)[0] == 200
