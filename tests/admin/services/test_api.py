"""An administrator's requests: how they are repeated, and what is never said."""

import httpx
import pytest

from synapse_tim.admin.api import AdminUnusableError, HomeserverAdmin, NoAnswerError, StoringError

ROOT, USER = "@root:clinic.example", "@us/er:clinic.example"


class Homeserver:
    """Answers as it is told, and remembers what it was asked."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.asked = []
        self.pauses = []
        client = httpx.Client(transport=httpx.MockTransport(self.answer), base_url="http://clinic.example/x")
        self.admin = HomeserverAdmin(ROOT, client, "root-token", self.pauses.append)

    def answer(self, request):
        who = request.headers["Authorization"].removeprefix("Bearer ")
        self.asked.append((request.method, request.url.raw_path.decode(), who))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def ok(**body):
    return httpx.Response(200, json=body)


def test_a_document_is_stored_as_the_user_whose_session_ends_at_once():
    server = Homeserver(ok(access_token="user-token"), ok(), ok())
    server.admin.store(USER, "kind", b"{}")
    user = "%40us%2Fer%3Aclinic.example"
    assert server.asked == [
        ("POST", f"/x/_synapse/admin/v1/users/{user}/login", "root-token"),
        ("PUT", f"/x/_matrix/client/v3/user/{user}/account_data/kind", "user-token"),
        ("POST", "/x/_matrix/client/v3/logout", "user-token"),
    ]


def test_administrators_cannot_log_in_as_themselves_and_need_not():
    server = Homeserver(ok())
    server.admin.store(ROOT, "kind", b"{}")
    assert [(method, who) for method, _, who in server.asked] == [("PUT", "root-token")]


def test_the_session_ends_when_nothing_was_stored_too():
    refused = httpx.Response(400, json={"errcode": "M_BAD_JSON", "error": "user-token"})
    server = Homeserver(ok(access_token="user-token"), refused, httpx.Response(500))
    with pytest.raises(StoringError) as caught:
        server.admin.store(USER, "kind", b"{}")
    assert str(caught.value) == "status 400 M_BAD_JSON"
    assert len(server.asked) == 3


def test_a_busy_homeserver_is_asked_again_after_the_time_it_says():
    busy = httpx.Response(429, headers={"Retry-After": "7"})
    forever = httpx.Response(503, headers={"Retry-After": "86400"})
    server = Homeserver(busy, forever, httpx.Response(502, headers={"Retry-After": "x"}), ok())
    server.admin.store(ROOT, "kind", b"{}")
    assert server.pauses == [7, 30, 3]


def test_it_is_not_asked_for_ever():
    for answer, kind in ((httpx.Response(503), StoringError), (httpx.ConnectError("x"), NoAnswerError)):
        server = Homeserver(*[answer] * 4)
        with pytest.raises(kind):
            server.admin.store(ROOT, "kind", b"{}")
        assert len(server.pauses) == 3


@pytest.mark.parametrize("answer", [httpx.Response(200, text="<html>"), httpx.Response(200, json=[]), ok()])
def test_an_answer_without_a_token_is_none(answer):
    with pytest.raises(StoringError):
        Homeserver(answer).admin.store(USER, "kind", b"{}")


@pytest.mark.parametrize("more", ["?token=secret", "#secret", "/?secret"])
@pytest.mark.parametrize("user", ["", "root:secret@"])
def test_a_url_says_nothing_but_where_it_is(user, more):
    with (
        pytest.raises(AdminUnusableError) as caught,
        HomeserverAdmin.open(f"https://{user}clinic.example{more}", "token", "clinic.example"),
    ):
        pass
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("url", ["", "nonsense", "ftp://clinic.example", "http://", "file:///x"])
def test_a_url_is_http_or_https(url):
    with (
        pytest.raises(AdminUnusableError, match="has to be an http or https URL"),
        HomeserverAdmin.open(url, "token", "clinic.example"),
    ):
        pass
