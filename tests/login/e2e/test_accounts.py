"""Accounts of people who log in (R4.4, R4.5, R4.15): made, linked, named, closed."""

import secrets

import pytest

from synapse_tim.testing import loopback, wait_for
from tests.login.e2e.world import (
    ADMIN,
    code,
    logged_in,
    profile,
    reasons,
    refused,
    where_clients_are,
    whoami,
)

pytestmark = pytest.mark.servers


@pytest.fixture
def root(world):
    return world.clinic.register(f"root-{secrets.token_hex(4)}", admin=True)


def as_admin(server, root, method, path, body=None):
    return loopback.request(
        method,
        f"{server.client_url}{ADMIN}{path}",
        json=body,
        headers={"Authorization": f"Bearer {root.access_token}"},
    )


def test_r4_5_the_account_of_somebody_else_is_not_taken_over(world, root):
    colleague = world.clinic.register("colleague")
    token = world.card_token(world.doctor(), claims={"idNummer": "Colleague"})
    refused(world.clinic, token, "not_linked")
    assert whoami(world.clinic, {"access_token": colleague.access_token}) == (200, None)
    external = as_admin(world.clinic, root, "GET", f"/v2/users/{colleague.user_id}").json()["external_ids"]
    assert external == []


def test_r4_5_somebody_else_with_the_same_number_does_not_get_the_account(world):
    card = world.doctor()
    logged_in(world.clinic, world.card_token(card))
    refused(world.clinic, world.card_token(card, claims={"sub": "somebody else"}), "not_linked")


def test_r4_5_another_provider_does_not_get_the_account(world):
    card = world.doctor()
    session = logged_in(world.clinic, world.card_token(card))
    localpart = session["user_id"][1:].partition(":")[0]
    other = world.broker_token(card, claims={"sub": localpart})
    assert logged_in(world.clinic, other)["user_id"] != session["user_id"]


def test_r4_5_an_administrator_links_an_account_that_exists(world, root):
    veteran = world.clinic.register("veteran")
    card = world.doctor()
    claims = {"idNummer": "Veteran", "sub": "the-veteran"}
    refused(world.clinic, world.card_token(card, claims=claims), "not_linked")
    link = {"external_ids": [{"auth_provider": "idp-dienst", "external_id": "the-veteran"}]}
    assert as_admin(world.clinic, root, "PUT", f"/v2/users/{veteran.user_id}", link).status_code == 200
    assert logged_in(world.clinic, world.card_token(card, claims=claims))["user_id"] == veteran.user_id


def test_r4_5_an_account_that_is_linked_needs_no_name_any_more(world, root):
    """What the rule for names wants is looked for when an account is made, and only then."""
    veteran = world.clinic.register("nameless-veteran")
    card = world.doctor()
    claims = {"idNummer": None, "sub": "nameless-veteran"}
    refused(world.clinic, world.card_token(card, claims=claims), "claim_missing")
    link = {"external_ids": [{"auth_provider": "idp-dienst", "external_id": "nameless-veteran"}]}
    assert as_admin(world.clinic, root, "PUT", f"/v2/users/{veteran.user_id}", link).status_code == 200
    assert logged_in(world.clinic, world.card_token(card, claims=claims))["user_id"] == veteran.user_id


def test_r4_5_a_number_that_changes_leads_to_the_account_of_the_person(world):
    card = world.doctor()
    first = logged_in(world.clinic, world.card_token(card, claims={"sub": "stays"}))
    later = world.card_token(world.doctor(), claims={"sub": "stays"})
    assert logged_in(world.clinic, later)["user_id"] == first["user_id"]


def test_r4_15_display_names_follow_the_tokens(world):
    card = world.doctor()
    session = logged_in(world.clinic, world.card_token(card))
    married = {"family_name": "Neu", "given_name": "Dora\n\u202eEvil"}
    logged_in(world.clinic, world.card_token(card, claims=married))
    wait_for(lambda: profile(world.clinic, session) == "Neu, Dora Evil", what="the new name")
    nameless = {"family_name": None, "given_name": None}
    logged_in(world.clinic, world.card_token(card, claims=nameless))
    assert profile(world.clinic, session) == "Neu, Dora Evil"


def test_r4_15_display_names_are_written_only_if_they_changed(world):
    card = world.doctor()
    session = logged_in(world.clinic, world.card_token(card))
    headers = {"Authorization": f"Bearer {session['access_token']}"}
    url = f"{where_clients_are(world.clinic)}/_matrix/client/v3"
    room = loopback.post(f"{url}/createRoom", json={}, headers=headers).json()["room_id"]

    def membership():
        state = loopback.get(f"{url}/rooms/{room}/state", headers=headers).json()
        return next(event for event in state if event["type"] == "m.room.member")

    before = membership()
    logged_in(world.clinic, world.card_token(card))
    logged_in(world.clinic, world.card_token(card, claims={"family_name": "Neu"}))
    wait_for(lambda: membership()["content"]["displayname"].startswith("Neu"), what="the new name")
    assert membership()["unsigned"]["replaces_state"] == before["event_id"]


@pytest.mark.parametrize("how", ["deactivated", "locked"])
@pytest.mark.requirement("A_22936")
def test_r4_14_who_is_closed_out_stays_out(world, root, how):
    card = world.doctor()
    session = logged_in(world.clinic, world.card_token(card))
    change = {how: True}
    assert as_admin(world.clinic, root, "PUT", f"/v2/users/{session['user_id']}", change).status_code == 200
    refused(world.clinic, world.card_token(card), how)
    assert whoami(world.clinic, session)[0] == 401
    if how == "locked":
        as_admin(world.clinic, root, "PUT", f"/v2/users/{session['user_id']}", {"locked": False})
        logged_in(world.clinic, world.card_token(card))


def test_r4_14_a_deactivated_account_does_not_come_back_under_its_name(world, root):
    card = world.doctor()
    session = logged_in(world.clinic, world.card_token(card))
    as_admin(world.clinic, root, "POST", f"/v1/deactivate/{session['user_id']}", {"erase": True})
    before = reasons(world.clinic).get("accepted", 0)
    token = world.card_token(card, claims={"sub": "somebody new"})
    refused(world.clinic, token, "not_linked")
    assert reasons(world.clinic).get("accepted", 0) == before


def test_r4_9_confirming_makes_no_accounts_and_uses_up_no_token_of_somebody_else(world):
    stranger = world.doctor()
    token = world.card_token(stranger)
    session = logged_in(world.clinic, world.card_token(world.doctor()))
    headers = {"Authorization": f"Bearer {session['access_token']}"}
    url = f"{world.clinic.client_url}/_matrix/client/v3/delete_devices"
    body = {"devices": [session["device_id"]]}
    first = loopback.post(url, json=body, headers=headers)
    auth = {
        "type": "org.synapse_tim.login.id_token",
        "session": first.json()["session"],
        "identifier": {"type": "m.id.user", "user": "whoever"},
        "token": token,
    }
    answer = loopback.post(url, json={**body, "auth": auth}, headers=headers)
    assert answer.status_code in (401, 403)
    assert not answer.json().get("completed")
    assert whoami(world.clinic, session) == (200, None)
    logged_in(world.clinic, token)


@pytest.mark.requirement("A_23611", "A_23612")
def test_r4_8_nobody_gets_a_local_password_that_would_confirm_things(world):
    session = logged_in(world.clinic, world.card_token(world.doctor()))
    answer = loopback.post(
        f"{world.clinic.client_url}/_matrix/client/v3/account/password",
        json={"new_password": "secret"},
        headers={"Authorization": f"Bearer {session['access_token']}"},
    )
    assert code(answer) == (403, "M_FORBIDDEN")


def test_r4_9_a_token_confirms_what_needs_confirming(world):
    card = world.doctor()
    session = logged_in(world.clinic, world.card_token(card))
    other = logged_in(world.clinic, world.card_token(card))
    url = f"{world.clinic.client_url}/_matrix/client/v3/delete_devices"
    headers = {"Authorization": f"Bearer {session['access_token']}"}

    def delete(token):
        first = loopback.post(url, json={"devices": [other["device_id"]]}, headers=headers)
        auth = {
            "type": "org.synapse_tim.login.id_token",
            "session": first.json()["session"],
            "identifier": {"type": "m.id.user", "user": session["user_id"]},
            "token": token,
        }
        return loopback.post(url, json={"devices": [other["device_id"]], "auth": auth}, headers=headers)

    # Synapse may remember the session as confirmed a moment ago; it does not by default.
    assert code(delete(world.card_token(world.doctor())))[0] in (401, 403)
    assert whoami(world.clinic, other) == (200, None)
    assert delete(world.card_token(card)).status_code == 200
    assert whoami(world.clinic, other)[0] == 401
