"""Which ways to log in there are: identity providers only for insured persons, and what the operator says."""

import contextlib

import httpx
import pytest

from synapse_tim.testing import loopback
from tests.login.e2e.world import ADMIN, CLIENT, FORBIDDEN, ID_TOKEN, code, post_login, where_clients_are

pytestmark = pytest.mark.servers


def password(user, secret="password", **more):
    return {
        "type": "m.login.password",
        "identifier": {"type": "m.id.user", "user": user},
        "password": secret,
        **more,
    }


@pytest.mark.one_process
@pytest.mark.parametrize("secret", ["password", "wrong"])
@pytest.mark.parametrize("name", ["nurse", "chief"])
@pytest.mark.requirement("A_23611", "A_23612", "A_22936")
def test_r4_8_local_passwords_are_off_right_or_wrong_for_administrators_too(world, name, secret):
    with contextlib.suppress(httpx.HTTPStatusError):  # the variant before has registered them
        world.clinic.register(name, admin=name == "chief")
    answer = post_login(world.clinic, password(name, secret))
    assert code(answer) == FORBIDDEN
    assert "identity provider" in answer.json()["error"]


@pytest.mark.one_process
@pytest.mark.parametrize(
    "identifier",
    [
        {"type": "m.id.user"},
        {"type": "m.id.thirdparty", "medium": "email", "address": "root@clinic.example"},
        {"type": "m.id.phone", "country": "DE", "phone": "0"},
        {"type": "m.id.user", "user": "@root:elsewhere.example"},
        {"type": "m.id.user", "user": "root "},
        ["root"],
        None,
    ],
    ids=str,
)
def test_r4_8_other_ways_to_say_who_it_is_do_not_help(world, identifier):
    body = {"type": "m.login.password", "identifier": identifier, "password": "password"}
    assert code(post_login(world.clinic, body)) == FORBIDDEN


def test_r4_8_a_name_that_synapse_overrides_does_not_help(world):
    with contextlib.suppress(httpx.HTTPStatusError):
        world.clinic.register("nurse")
    for secret in ("password", "wrong"):
        answer = post_login(world.clinic, {**password("root", secret), "user": "nurse"})
        assert code(answer) == FORBIDDEN
        assert "identity provider" in answer.json()["error"]


@pytest.mark.requirement("A_23611", "A_23612")
def test_r4_8_named_administrators_break_the_glass(world):
    world.clinic.register("root", admin=True)
    for user in ("root", "ROOT", f"@root:{world.clinic.server_name}"):
        assert code(post_login(world.clinic, password(user))) == (200, None), user
    old_style = {"type": "m.login.password", "user": "root", "password": "password"}
    assert code(post_login(world.clinic, old_style)) == (200, None)
    assert code(post_login(world.clinic, password("root", "wrong"))) == FORBIDDEN


def test_r4_8_a_named_user_who_is_no_administrator_does_not(world):
    world.clinic.register("orderly")
    assert code(post_login(world.clinic, password("orderly"))) == FORBIDDEN


@pytest.mark.one_process
@pytest.mark.parametrize(
    "login_type",
    ["org.matrix.login.jwt", "m.login.saml2", "com.example.other", "m.login.dummy", "M.LOGIN.PASSWORD", ""],
)
def test_other_login_types_are_refused(world, login_type):
    for server in (world.clinic, world.insurer):
        assert code(post_login(server, {"type": login_type, "token": "x"})) == FORBIDDEN


@pytest.mark.one_process
@pytest.mark.parametrize("user", [5, [], {}, True])
def test_a_user_that_is_no_text_is_malformed(world, user):
    for server in (world.clinic, world.insurer):
        body = {
            "type": "m.login.password",
            "identifier": {"type": "m.id.user", "user": user},
            "password": "x",
        }
        assert code(post_login(server, body)) == (400, "M_INVALID_PARAM")
        assert code(post_login(server, {**body, "identifier": {}, "user": user})) == (400, "M_INVALID_PARAM")


@pytest.mark.one_process
@pytest.mark.parametrize("body", [{}, {"type": None}, {"type": 5}, {"type": ["m.login.password"]}])
def test_a_log_in_without_a_type_is_malformed(world, body):
    assert code(post_login(world.clinic, body))[0] == 400


@pytest.mark.one_process
def test_what_is_no_json_is_malformed(world):
    answer = loopback.post(f"{where_clients_are(world.clinic)}{CLIENT}/login", content=b'{"type": "m.login')
    assert code(answer) == (400, "M_NOT_JSON")


def test_a_login_token_that_nobody_gave_out_is_refused(world):
    assert code(post_login(world.clinic, {"type": "m.login.token", "token": "made up"})) == FORBIDDEN


def test_af_10234_insured_persons_have_their_identity_provider_only(world):
    user = world.insurer.register("somebody", admin=True)
    for body in (
        password("somebody"),
        password(user.user_id),
        {"type": "m.login.application_service", "identifier": {"type": "m.id.user", "user": "somebody"}},
        {"type": "org.matrix.login.jwt", "token": "x"},
    ):
        assert code(post_login(world.insurer, body)) == FORBIDDEN
    flows = loopback.get(f"{world.insurer.client_url}{CLIENT}/login").json()["flows"]
    assert {flow["type"] for flow in flows} == {ID_TOKEN, "m.login.sso", "m.login.token"}


def test_a_session_does_not_make_others(world):
    user = world.clinic.register("maker")
    answer = user.request("POST", "/_matrix/client/v1/login/get_token", {})
    assert answer.status_code in (403, 404)


def test_registering_is_no_way_around(world):
    for server in (world.clinic, world.insurer):
        body = {"username": "eve", "password": "password", "auth": {"type": "m.login.dummy"}}
        for path in ("/register", "/register?kind=guest"):
            answer = loopback.post(f"{server.client_url}{CLIENT}{path}", json=body)
            assert answer.status_code in (401, 403), answer.text
            assert "access_token" not in answer.json()


def test_administrators_may_act_for_users_and_that_is_theirs_to_answer_for(world):
    """Written down in docs/limits.md: who administers a homeserver can act for anybody."""
    root = world.clinic.register("puppeteer", admin=True)
    user = world.clinic.register("puppet")
    answer = root.request("POST", f"{ADMIN}/v1/users/{user.user_id}/login", {})
    assert answer.status_code == 200
