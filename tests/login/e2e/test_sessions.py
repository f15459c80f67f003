"""Ending sessions (R4.2, R4.12, R4.14): the provider says so, or an administrator, at all processes."""

import concurrent.futures
import json

import pytest

from synapse_tim.cli import main
from synapse_tim.testing import loopback, wait_for
from synapse_tim.testing.merge import REMOVED
from tests.login.e2e.world import (
    AUDIENCE,
    OURS,
    code,
    log_in,
    logged_in,
    processes,
    reasons,
    refused,
    seconds,
    where_clients_are,
    whoami,
)

pytestmark = pytest.mark.servers

EVENT = "http://schemas.openid.net/event/backchannel-logout"


def logout(world, claims, header=None):
    """Send a logout token as the broker would."""
    now = seconds()
    members = {
        "iss": world.ti.broker.issuer,
        "aud": AUDIENCE,
        "iat": now,
        "exp": now + 120,
        "jti": f"logout-{now}-{id(claims)}",
        "events": {EVENT: {}},
        "nonce": REMOVED,
        "acr": REMOVED,
        **claims,
    }
    token = world.broker_token(world.doctor(), claims=members, header={"typ": "logout+jwt", **(header or {})})
    return post(world, {"logout_token": token})


def post(world, form):
    url = f"{where_clients_are(world.clinic)}{OURS}/backchannel_logout"
    return loopback.post(url, data=form)


def everywhere(world, session):
    """What the processes of the clinic say about a session."""
    return {whoami(world.clinic, session, process.client_url)[0] for process in processes(world.clinic)}


def over(world, session):
    wait_for(lambda: everywhere(world, session) == {401}, what="the end of the session")


def test_r4_2_a_helpdesk_is_told_of_links_sessions_and_their_end(world, capsys):
    def explained(user_id):
        arguments = ["explain", "user", user_id, "--config", str(world.clinic.config_path), "--json"]
        assert main(arguments) == 0
        return {step["subject"]: step["finding"] for step in json.loads(capsys.readouterr().out)["steps"]}

    card = world.doctor()
    session = logged_in(world.clinic, world.broker_token(card, sid="told", claims={"sub": "told"}))
    before = explained(session["user_id"])
    assert before["device"] == f"{session['device_id']}, in a session of broker"
    assert before["belongs to a person at"] == "broker"
    assert logout(world, {"sid": REMOVED, "sub": "told"}).status_code == 200
    over(world, session)
    after = explained(session["user_id"])
    assert "device" not in after
    assert after["belongs to a person at"].startswith("broker; all sessions were ended by the provider at ")


@pytest.mark.requirement("A_22936", "A_22955")
def test_r4_2_the_provider_ends_a_session_at_all_processes(world):
    card = world.doctor()
    session = logged_in(world.clinic, world.broker_token(card, sid="a"))
    other = logged_in(world.clinic, world.broker_token(card, sid="b"))
    assert everywhere(world, session) == {200}
    answer = logout(world, {"sid": "a", "sub": REMOVED})
    assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "no-store")
    over(world, session)
    assert everywhere(world, other) == {200}


def test_r4_2_no_token_of_an_ended_session_is_accepted_any_more(world):
    card = world.doctor()
    token = world.broker_token(card, sid="ended")
    assert logout(world, {"sid": "ended", "sub": REMOVED}).status_code == 200
    refused(world.clinic, token, "replayed")
    logged_in(world.clinic, world.broker_token(card, sid="next"))


def test_r4_2_the_provider_ends_all_sessions_of_a_person(world):
    card, colleague = world.doctor(), world.doctor()
    tokens = [world.broker_token(card, sid=f"all-{n}", claims={"sub": "everything"}) for n in range(2)]
    sessions = [logged_in(world.clinic, token) for token in tokens]
    untouched = logged_in(world.clinic, world.broker_token(colleague, sid="other"))
    assert logout(world, {"sid": REMOVED, "sub": "everything"}).status_code == 200
    for session in sessions:
        over(world, session)
    assert everywhere(world, untouched) == {200}


def test_r4_2_a_logout_may_be_told_twice_and_about_nobody(world):
    session = logged_in(world.clinic, world.broker_token(world.doctor(), sid="twice"))
    for _ in range(2):
        assert logout(world, {"sid": "twice", "sub": REMOVED}).status_code == 200
    over(world, session)
    assert logout(world, {"sid": "unknown", "sub": "unknown"}).status_code == 200


def test_r4_2_a_device_of_two_sessions_ends_with_either(world):
    card = world.doctor()
    for ended in ("device-a", "device-b"):
        sessions = [
            logged_in(world.clinic, world.broker_token(card, sid=f"{sid}-{ended}"), device_id=f"D-{ended}")
            for sid in ("device-a", "device-b")
        ]
        assert logout(world, {"sid": f"{ended}-{ended}", "sub": REMOVED}).status_code == 200
        for session in sessions:
            over(world, session)


def test_r4_2_sessions_without_a_name_end_with_the_person(world):
    card = world.doctor()
    claims = {"sub": "nameless", "sid": REMOVED}
    session = logged_in(world.clinic, world.broker_token(card, claims=claims))
    assert logout(world, {"sid": "some session", "sub": "nameless"}).status_code == 200
    over(world, session)


def test_r4_2_no_older_token_of_a_person_is_accepted_any_more(world):
    card, now = world.doctor(), seconds()
    older = world.broker_token(card, claims={"sub": "logged out", "iat": now - 20})
    newer = world.broker_token(card, claims={"sub": "logged out", "iat": now + 20})
    assert logout(world, {"sid": REMOVED, "sub": "logged out"}).status_code == 200
    refused(world.clinic, older, "replayed")
    session = logged_in(world.clinic, newer)
    assert logout(world, {"sid": REMOVED, "sub": "logged out"}).status_code == 200
    assert everywhere(world, session) == {200}, "a session that began after the logout was issued"


def test_r4_2_no_session_survives_a_logout_that_races_with_the_log_in(world):
    urls = [process.client_url for process in processes(world.clinic)]
    card = world.doctor()
    for number in range(8):
        subject = f"racer-{number}"
        tokens = [world.broker_token(card, claims={"sub": subject, "iat": seconds() - 2}) for _ in range(3)]
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            attempts = [
                pool.submit(log_in, world.clinic, token, url)
                for token, url in zip(tokens, urls * 3, strict=False)
            ]
            assert logout(world, {"sid": REMOVED, "sub": subject}).status_code == 200
        for attempt in attempts:
            if attempt.result().status_code == 200:
                over(world, attempt.result().json())


@pytest.mark.one_process
@pytest.mark.parametrize(
    ("claims", "header", "reason"),
    [
        ({"events": REMOVED}, {}, "type_not_allowed"),
        ({"events": {"other": {}}}, {}, "type_not_allowed"),
        ({"events": EVENT}, {}, "type_not_allowed"),
        ({"nonce": "n"}, {}, "nonce"),
        ({"sid": REMOVED, "sub": REMOVED}, {}, "claim_missing"),
        ({"sid": 5}, {}, "claims_malformed"),
        ({"aud": "another-app"}, {}, "audience"),
        ({"iss": "https://idp.example"}, {}, "issuer_unknown"),
        ({"iat": 0}, {}, "too_old"),
        ({"exp": 1}, {}, "expired"),
        ({}, {"typ": "at+jwt"}, "type_not_allowed"),
        ({}, {"kid": "unknown"}, "key_unknown"),
    ],
    ids=str,
)
@pytest.mark.requirement("A_22936")
def test_r4_2_logout_tokens_that_are_refused(world, claims, header, reason):
    session = logged_in(world.clinic, world.broker_token(world.doctor(), sid=f"stays-{reason}"))
    before = reasons(world.clinic, "logout_tokens").get(reason, 0)
    answer = logout(world, {"sid": f"stays-{reason}", **claims}, header)
    assert code(answer) == (400, "M_INVALID_PARAM")
    assert reasons(world.clinic, "logout_tokens")[reason] == before + 1
    assert everywhere(world, session) == {200}


@pytest.mark.one_process
@pytest.mark.parametrize(
    "form", [{}, {"logout_token": ""}, {"logout_token": "a.b.c"}, {"logout_token": "x" * 70_000}, {"a": "b"}]
)
def test_r4_2_what_is_no_logout_token_is_refused(world, form):
    assert code(post(world, form)) == (400, "M_INVALID_PARAM")


def test_an_id_token_is_no_logout_token_nor_the_other_way_round(world):
    token = world.broker_token(world.doctor(), sid="mixed")
    assert code(post(world, {"logout_token": token})) == (400, "M_INVALID_PARAM")
    logged_in(world.clinic, token)


@pytest.mark.requirement("A_22936", "A_22955")
def test_r4_14_an_administrator_ends_sessions_at_all_processes(world):
    root = world.clinic.register(f"root{id(world)}", admin=True)
    session = logged_in(world.clinic, world.card_token(world.doctor()))
    assert everywhere(world, session) == {200}
    path = f"/_synapse/admin/v2/users/{session['user_id']}/devices/{session['device_id']}"
    assert root.request("DELETE", path).status_code == 200
    over(world, session)


@pytest.mark.requirement("A_22936")
def test_r4_14_deactivating_ends_sessions_at_all_processes(world):
    root = world.clinic.register(f"closer{id(world)}", admin=True)
    card = world.doctor()
    session = logged_in(world.clinic, world.card_token(card))
    assert root.request("POST", f"/_synapse/admin/v1/deactivate/{session['user_id']}", {}).status_code == 200
    over(world, session)
    assert log_in(world.clinic, world.card_token(card)).status_code == 403
