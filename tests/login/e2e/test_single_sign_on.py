"""Synapse's own single sign-on (AF_10234, R4.4): the same rules at every login, and a page that says why."""

import json
import re
import ssl
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from synapse_tim.testing import loopback, wait_for
from synapse_tim.testing.merge import REMOVED
from synapse_tim.testing.simulator.idp.cards import Card
from tests.login.e2e.world import (
    ADMIN,
    CLIENT,
    DOCTOR,
    FORBIDDEN,
    OTHER_IK,
    PHARMACIST,
    code,
    post_login,
    profile,
    reasons,
    whoami,
)

pytestmark = pytest.mark.servers

URN = "urn:telematik:claims:"
LANDING = "http://localhost/whitelisted"


class Browser:
    """Somebody with a browser, who logs in at the broker when asked to."""

    def __init__(self, world, server, person):
        self.world, self.server, self.person = world, server, person

    def log_in(self, idp):
        """Follow single sign-on to its end: a response that is no redirect, or one to the messenger."""
        ti = self.world.ti
        people = ti.idp.cards if isinstance(self.person, Card) else ti.sectoral.persons
        people["visitor"] = self.person
        ti.broker.preselected = "visitor"
        url = f"{self.server.federation_url}{CLIENT}/login/sso/redirect/oidc-{idp}?redirectUrl={LANDING}"
        try:
            tls = ssl.create_default_context(cafile=ti.ca_file)
            with httpx.Client(trust_env=False, verify=tls) as client:
                answer = client.get(url)
                while answer.is_redirect and not answer.headers["Location"].startswith(LANDING):
                    answer = client.get(answer.headers["Location"])
                return answer
        finally:
            ti.broker.preselected = None
            del people["visitor"]

    def session(self, idp):
        """Log in to the end; returns the session."""
        answer = self.log_in(idp)
        assert answer.is_redirect, (page(answer)[:200], reasons(self.server))
        (token,) = parse_qs(urlsplit(answer.headers["Location"]).query)["loginToken"]
        return post_login(self.server, {"type": "m.login.token", "token": token}, self.server.client_url)

    def refused(self, idp, reason, text):
        """Assert that a page says why not."""
        before = reasons(self.server).get(reason, 0)
        answer = self.log_in(idp)
        assert answer.status_code == 400, answer.headers
        assert text in page(answer)
        assert " [Reference: " in page(answer)
        assert reasons(self.server)[reason] == before + 1


def page(answer):
    """What there is to read."""
    body = re.sub(r"<(style|svg|script)\b.*?</\1>", "", answer.text, flags=re.DOTALL)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", body))


@pytest.fixture
def claims(world):
    """What the broker says besides; change it at will."""
    world.ti.broker.claims.clear()
    yield world.ti.broker.claims
    world.ti.broker.claims.clear()


@pytest.mark.one_process
def test_af_10234_an_insured_person_logs_in(world, claims):
    person = world.insured()
    session = Browser(world, world.insurer, person).session("insurer").json()
    localpart = session["user_id"][1:].partition(":")[0]
    assert re.fullmatch("[0-9a-f]{64}", localpart)
    assert profile(world.insurer, session) == f"{person.family_name}, Irma"
    again = Browser(world, world.insurer, person).session("insurer").json()
    assert again["user_id"] == session["user_id"]


@pytest.mark.one_process
@pytest.mark.parametrize(
    ("changes", "reason", "text"),
    [
        ({f"{URN}id": "x000000001"}, "kvnr_malformed", "could not be used"),
        ({f"{URN}organization": OTHER_IK}, "other_insurer", "insured elsewhere"),
        ({f"{URN}profession": DOCTOR}, "profession_not_permitted", "profession may not use"),
        ({"acr": "gematik-ehealth-loa-substantial"}, "acr_too_low", "strongly enough"),
        ({"amr": ["pwd"]}, "amr_not_allowed", "strongly enough"),
        ({"iat": 1_700_000_000}, "too_old", "could not be used"),
        ({"acr": REMOVED}, "claim_missing", "could not be used"),
    ],
    ids=str,
)
def test_af_10234_claims_are_looked_at_at_every_log_in(world, claims, changes, reason, text):
    person = world.insured()
    browser = Browser(world, world.insurer, person)
    claims.update(changes)
    browser.refused("insurer", reason, text)
    claims.clear()
    assert browser.session("insurer").status_code == 200
    claims.update(changes)
    browser.refused("insurer", reason, text)


@pytest.mark.one_process
def test_r4_4_display_names_follow_the_provider(world, claims):
    person = world.insured()
    browser = Browser(world, world.insurer, person)
    session = browser.session("insurer").json()
    claims[f"{URN}family_name"] = "Neu"
    assert browser.session("insurer").json()["user_id"] == session["user_id"]
    assert profile(world.insurer, session) == "Neu, Irma"


def test_a_doctor_logs_in_and_a_pharmacist_does_not(world, claims):
    card = world.doctor()
    session = Browser(world, world.clinic, card).session("clinic").json()
    assert session["user_id"].startswith(f"@sso-{card.id_nummer.lower()}:")
    pharmacist = world.doctor(profession_oid=PHARMACIST)
    Browser(world, world.clinic, pharmacist).refused(
        "clinic", "profession_not_permitted", "profession may not use"
    )
    insured = Browser(world, world.clinic, world.insured())
    insured.refused("clinic", "amr_not_allowed", "strongly enough")


def test_r4_5_an_account_that_exists_is_not_given_away(world, claims):
    colleague = world.clinic.register("sso-colleague")
    claims["idNummer"] = "Colleague"
    Browser(world, world.clinic, world.doctor()).refused("clinic", "not_linked", "not linked to you")
    assert whoami(world.clinic, {"access_token": colleague.access_token}) == (200, None)


def test_r4_14_who_is_closed_out_stays_out(world, claims):
    root = world.clinic.register(f"sso-root{id(world)}", admin=True)
    card = world.doctor()
    session = Browser(world, world.clinic, card).session("clinic").json()
    root.request("PUT", f"{ADMIN}/v2/users/{session['user_id']}", {"locked": True}).raise_for_status()
    Browser(world, world.clinic, card).refused("clinic", "locked", "is locked")
    change = {"locked": False, "deactivated": True}
    root.request("PUT", f"{ADMIN}/v2/users/{session['user_id']}", change).raise_for_status()
    Browser(world, world.clinic, card).refused("clinic", "deactivated", "was closed")


def test_claims_make_nobody_an_administrator(world, claims):
    claims.update(admin=True, roles=["admin"])
    session = Browser(world, world.clinic, world.doctor()).session("clinic").json()
    answer = loopback.get(
        f"{world.clinic.client_url}{ADMIN}/v2/users",
        headers={"Authorization": f"Bearer {session['access_token']}"},
    )
    assert code(answer) == FORBIDDEN


def test_a_token_name_is_worth_one_log_in(world, claims):
    claims["jti"] = "always the same"
    browser = Browser(world, world.clinic, world.doctor())
    assert browser.session("clinic").status_code == 200
    browser.refused("clinic", "replayed", "could not be used")


def test_r4_2_the_provider_ends_a_session(world, claims):
    claims["sid"] = "sso-session"
    session = Browser(world, world.clinic, world.doctor()).session("clinic").json()
    assert whoami(world.clinic, session) == (200, None)
    url = f"{world.clinic.client_url}/_synapse/client/oidc/backchannel_logout"
    assert world.ti.broker.log_out("sso-session", url).status_code == 200
    wait_for(lambda: whoami(world.clinic, session)[0] == 401, what="the end of the session")


def test_a_server_for_professionals_may_have_providers_that_check_no_claims(world, claims):
    answer = Browser(world, world.clinic, world.doctor()).session("plain")
    assert answer.status_code == 200, json.dumps(reasons(world.clinic))
