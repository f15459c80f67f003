"""Sessions that a provider ends, and how relying parties hear of it (OpenID Connect Back-Channel Logout)."""

import datetime as dt
import json
import time

import pytest

from synapse_tim.login.rules.refusals import TokenRefusedError
from tests.gateway.services.conftest import ISSUER, now

EVENT = "http://schemas.openid.net/event/backchannel-logout"


def logged_in(gateway, sid, subject="dora"):
    """Log in within a session of the provider; returns the tokens."""
    gateway.idps["idp"].person = {"sid": sid, "sub": subject, "idNummer": f"1-HBA-{subject}"}
    return json.loads(gateway.token(gateway.log_in()["code"]).body)


def end(gateway, **claims):
    """The provider sends a logout token, and the gateway tells relying parties."""
    gateway.idps["idp"].person = {}
    usual = {"events": {EVENT: {}}, "acr": None, "sid": None, "sub": None}
    token = gateway.idps["idp"].token(kind="logout+jwt", **{**usual, **claims})
    gateway.run(gateway.provider_logout.end(token))
    gateway.run(gateway.logout.tell())
    return token


def goes_on(gateway, tokens):
    return gateway.user_info(tokens["access_token"]).status == 200


def told(gateway):
    return [gateway.claims_of(token)["sid"] for _, token in gateway.told]


def sid_of(gateway, tokens):
    return gateway.claims_of(tokens["id_token"])["sid"]


@pytest.mark.parametrize("how", [{"sid": "one"}, {"sub": "dora", "sid": "one"}])
def test_one_session(gateway, how):
    first, other = logged_in(gateway, "one"), logged_in(gateway, "two")
    stranger = logged_in(gateway, "three", "eve")
    end(gateway, **how)
    assert [goes_on(gateway, each) for each in (first, other, stranger)] == [False, True, True]
    ((url, token),) = gateway.told
    assert url == "https://synapse.example/logout"
    claims = gateway.claims_of(token)
    assert claims["sid"] == sid_of(gateway, first)
    assert claims["sub"] == gateway.claims_of(first["id_token"])["sub"]
    assert claims["events"] == {EVENT: {}} and claims["jti"] and "nonce" not in claims
    assert claims["iss"] == ISSUER


def test_all_sessions_of_a_person(gateway):
    first, other = logged_in(gateway, "one"), logged_in(gateway, "two")
    stranger = logged_in(gateway, "three", "eve")
    end(gateway, sub="dora")
    assert [goes_on(gateway, each) for each in (first, other, stranger)] == [False, False, True]
    assert sorted(told(gateway)) == sorted(sid_of(gateway, each) for each in (first, other))


def test_a_logout_token_that_is_replayed_ends_nothing_that_began_later(gateway):
    logged_in(gateway, "one")
    token = end(gateway, sub="dora")
    gateway.told.clear()
    time.sleep(1.1)  # tokens have whole seconds
    later = logged_in(gateway, "two")
    gateway.run(gateway.provider_logout.end(token))
    gateway.run(gateway.logout.tell())
    assert goes_on(gateway, later) and not gateway.told


def test_logout_tokens_that_are_not_in_order_end_nothing(gateway):
    first = logged_in(gateway, "one")
    for bad in (
        {"sid": "one", "nonce": "x"},
        {"sid": "one", "aud": "another"},
        {"sid": "one", "events": {}},
        {"sid": "one", "iat": int(time.time()) - 4000},
        {},
    ):
        with pytest.raises(TokenRefusedError):
            end(gateway, **bad)
    assert goes_on(gateway, first) and not gateway.told


def test_a_code_of_a_session_that_is_over_is_worth_nothing(gateway):
    gateway.idps["idp"].person = {"sid": "one"}
    code = gateway.log_in()["code"]
    end(gateway, sid="one")
    assert json.loads(gateway.token(code).body)["error"] == "invalid_grant"
    gateway.idps["idp"].person = {"sid": "one"}
    assert gateway.log_in()["error"] == "access_denied"
    gateway.idps["idp"].person = {"sid": "two"}
    assert "code" in gateway.log_in()


def test_a_relying_party_that_does_not_answer_is_told_again(gateway):
    logged_in(gateway, "one")
    gateway.status = 503
    end(gateway, sid="one")
    gateway.run(gateway.logout.tell())
    assert len(gateway.told) == 2
    gateway.status = 200
    for _ in range(2):
        gateway.run(gateway.logout.tell())
    assert len(gateway.told) == 3


def test_a_relying_party_that_cannot_be_reached_is_asked_once_in_a_round(gateway):
    for sid in ("one", "two", "three"):
        logged_in(gateway, sid)
    gateway.status = None
    end(gateway, sub="dora")
    assert len(gateway.told) == 1
    gateway.status = 200
    gateway.run(gateway.logout.tell())
    assert len(set(told(gateway))) == 3
    assert gateway.run(gateway.store.ended_sessions()) == []


def test_one_round_at_a_time_and_another_one_for_what_has_ended_meanwhile(gateway):
    logged_in(gateway, "one")
    logged_in(gateway, "two")

    gateway.idps["idp"].person = {}
    later = gateway.idps["idp"].token(kind="logout+jwt", events={EVENT: {}}, acr=None, sid="two", sub=None)

    async def run_in_thread(function, *arguments):
        if not gateway.told:
            await gateway.provider_logout.end(later)
            await gateway.logout.tell()  # while the first round goes on
            assert gateway.told == []
        return function(*arguments)

    gateway.logout.clients["synapse"].threads.run = run_in_thread
    end(gateway, sid="one")
    assert len(set(told(gateway))) == len(gateway.told) == 2


def test_a_relying_party_that_does_not_answer_for_a_day_is_not_told_any_more(gateway):
    logged_in(gateway, "one")
    gateway.status = 503
    end(gateway, sid="one")
    gateway.run(gateway.store.tidy(now() + dt.timedelta(hours=23)))
    assert len(gateway.run(gateway.store.ended_sessions())) == 1
    gateway.run(gateway.store.tidy(now() + dt.timedelta(hours=25)))
    assert gateway.run(gateway.store.ended_sessions()) == []


def test_what_is_over_is_forgotten(gateway, database):
    gateway.begin()
    logged_in(gateway, "one")
    count = "SELECT COUNT(*) FROM synapse_tim_gateway_state"
    gateway.run(gateway.store.tidy(now()))
    assert database.execute(count).fetchone()[0] == 3
    gateway.run(gateway.store.tidy(now() + dt.timedelta(minutes=11)))
    assert database.execute(count).fetchone()[0] == 0
    sessions = "SELECT COUNT(*) FROM synapse_tim_gateway_session"
    assert database.execute(sessions).fetchone()[0] == 1
    gateway.run(gateway.store.tidy(now() + dt.timedelta(days=183)))
    assert database.execute(sessions).fetchone()[0] == 0
