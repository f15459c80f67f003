"""The guard of ``/login``: what reaches Synapse, and which way to log in is noted meanwhile."""

import io
import json
from unittest.mock import Mock

import pytest
from synapse.http.site import SynapseRequest
from synapse.module_api.errors import SynapseError

from synapse_tim.login.attempts import LoginAttempts
from synapse_tim.login.rules.methods import ID_TOKEN_TYPE, LoginRules

SERVER = "hospital.example"
PASSWORD = "m.login.password"
USED = (("token", "a"), ("nonce", "b"))
RULES = LoginRules(
    SERVER,
    frozenset({"id_token", "sso"}),
    token_types=frozenset({ID_TOKEN_TYPE, "com.example.token"}),
    break_glass=frozenset({f"@root:{SERVER}"}),
)


def request_of(body):
    request = Mock(spec=SynapseRequest, uri=b"/_matrix/client/v3/login", method=b"POST")
    request.content = io.BytesIO(body if isinstance(body, bytes) else json.dumps(body).encode())
    return request


class Server:
    """Serves requests one after the other, or one within the other."""

    def __init__(self):
        self.serving = None
        tokens = Mock()
        tokens.context.used.release = self.release
        self.attempts = LoginAttempts(Mock(), RULES, tokens, Mock(), lambda: self.serving)
        self.seen = []
        self.released = []

    async def release(self, used):
        self.released.append(used)

    async def log_in(self, request, answer=(200, {})):
        before, self.serving = self.serving, request

        async def proceed():
            current = self.attempts.current
            self.seen.append((current and current.method, request.content.read()))
            if isinstance(answer, Exception):
                raise answer
            return await answer() if callable(answer) else answer

        try:
            return await self.attempts.log_in(request, proceed, {})
        finally:
            self.serving = before


@pytest.fixture
def server():
    return Server()


def token_body(login_type=ID_TOKEN_TYPE, **more):
    return {
        "type": login_type,
        "token": "a.b.c",
        "identifier": {"type": "m.id.user", "user": "whoever"},
        **more,
    }


@pytest.mark.parametrize(
    "body",
    [
        {"type": PASSWORD, "identifier": {"type": "m.id.user", "user": "user"}, "password": "x"},
        {"type": PASSWORD, "user": "user", "password": "x"},
        {"type": "org.matrix.login.jwt", "token": "x"},
        {"type": "m.login.application_service"},
        {"type": "m.login.unheard_of"},
        {"type": ""},
    ],
    ids=str,
)
def test_a_way_that_is_not_used_here_never_reaches_synapse(server, run, body):
    with pytest.raises(SynapseError) as caught:
        run(server.log_in(request_of(body)))
    assert (caught.value.code, caught.value.errcode) == (403, "M_FORBIDDEN")
    assert server.seen == []
    assert server.attempts.current is None


@pytest.mark.parametrize(
    ("body", "method"),
    [
        ({"type": "m.login.token", "token": "x"}, "sso"),
        ({"type": PASSWORD, "user": "root", "password": "x"}, "password"),
        (
            {"type": PASSWORD, "identifier": {"type": "m.id.user", "user": "Root"}, "password": "x"},
            "password",
        ),
    ],
    ids=str,
)
def test_a_way_that_is_used_reaches_synapse_as_it_was_sent(server, run, body, method):
    assert run(server.log_in(request_of(body), (200, {"user_id": "@a:b"}))) == (200, {"user_id": "@a:b"})
    ((noted, read),) = server.seen
    assert noted == method
    assert json.loads(read) == body
    assert server.attempts.current is None


@pytest.mark.parametrize("login_type", [ID_TOKEN_TYPE, "com.example.token"])
def test_whom_the_client_of_a_token_claims_to_be_does_not_reach_synapse(server, run, login_type):
    claimed = {"user": "@victim:x", "medium": "email", "address": "victim@example", "refresh_token": True}
    run(server.log_in(request_of(token_body(login_type, **claimed))))
    ((noted, read),) = server.seen
    assert noted == "id_token"
    assert b"whoever" not in read and b"victim" not in read
    sent = json.loads(read)
    identifier = sent.pop("identifier")
    assert sent == {"type": login_type, "token": "a.b.c", "refresh_token": True}
    assert identifier["type"] == "m.id.user"


def user_of(server, run, **more):
    run(server.log_in(request_of(token_body(**more))))
    return json.loads(server.seen.pop()[1])["identifier"]["user"]


def test_every_token_counts_for_itself(server, run):
    assert user_of(server, run) == user_of(server, run, user="other", identifier={})
    assert len({user_of(server, run, token=token) for token in ("a", "b", "", None, ["a"], "\ud800", 1)}) == 7
    assert "a.b.c" not in user_of(server, run)


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b"{", b"\xff", b'"x"'])
def test_what_is_no_object_is_synapses_business(server, run, body):
    run(server.log_in(request_of(body)))
    ((noted, read),) = server.seen
    assert noted is None
    assert read == body


@pytest.mark.parametrize("body", [{}, {"type": None}, {"type": 1}, {"type": [PASSWORD]}], ids=str)
def test_a_type_that_is_no_text_is_synapses_business(server, run, body):
    run(server.log_in(request_of(body)))
    ((noted, read),) = server.seen
    assert noted is None
    assert json.loads(read) == body


def test_an_attempt_is_forgotten_when_it_fails(server, run):
    request = request_of(token_body())
    with pytest.raises(SynapseError):
        run(server.log_in(request, SynapseError(403, "no")))
    server.serving = request
    assert server.attempts.current is None


@pytest.mark.parametrize(
    ("code", "used", "may_have_session", "released"),
    [
        (429, USED, False, [USED]),
        (503, USED, False, [USED]),
        (503, USED, True, []),
        (429, USED, True, []),
        (403, USED, False, []),
        (500, USED, False, []),
        (429, (), False, []),
    ],
)
def test_what_was_used_is_released_by_an_answer_that_says_to_try_again(
    server, run, code, used, may_have_session, released
):
    async def answer():
        server.attempts.current.used = used
        server.attempts.current.may_have_session = may_have_session
        raise SynapseError(code, "later")

    with pytest.raises(SynapseError) as caught:
        run(server.log_in(request_of(token_body()), answer))
    assert caught.value.code == code
    assert server.released == released
    assert server.attempts.current is None


def test_requests_that_are_served_at_once_are_kept_apart(server, run):
    outer = request_of(token_body())

    async def meanwhile():
        await server.log_in(request_of({"type": "m.login.token", "token": "x"}))
        other, server.serving = server.serving, request_of({})
        assert server.attempts.current is None
        server.serving = other
        server.attempts.current.token_user = "@a:b"
        assert server.attempts.current.token_user == "@a:b"
        return 200, {}

    run(server.log_in(outer, meanwhile))
    assert [noted for noted, _ in server.seen] == ["id_token", "sso"]


def test_outside_of_a_request_there_is_no_attempt(server):
    assert server.attempts.current is None


def flows(*types):
    return [{"type": login_type} for login_type in types]


def test_only_the_ways_there_are_are_offered(server, run):
    async def proceed():
        offered = flows(
            "m.login.sso", "m.login.token", PASSWORD, "m.login.cas", "org.matrix.login.jwt", ID_TOKEN_TYPE
        )
        return 200, {"flows": [*offered, {}, {"type": 1}], "more": 1}

    status, body = run(server.attempts.flows(Mock(), proceed, {}))
    assert status == 200
    assert body == {
        "flows": flows("m.login.sso", "m.login.token", PASSWORD, "m.login.cas", ID_TOKEN_TYPE),
        "more": 1,
    }


def test_members_of_a_flow_are_kept(server, run):
    flow = {"type": "m.login.sso", "identity_providers": [{"id": "oidc-a"}]}

    async def proceed():
        return 200, {"flows": [flow, *flows("m.login.dummy")]}

    assert run(server.attempts.flows(Mock(), proceed, {})) == (200, {"flows": [flow]})


def test_without_flows_none_are_offered(server, run):
    async def proceed():
        return 404, {"errcode": "M_UNRECOGNIZED"}

    status, body = run(server.attempts.flows(Mock(), proceed, {}))
    assert (status, body["flows"]) == (404, [])
