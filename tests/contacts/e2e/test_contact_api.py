"""``/tim-contact-mgmt/v1.0.2``: the approval list of a user, for that user only."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from synapse_tim.contacts.rules import LATEST, MAX_OCTETS
from synapse_tim.testing import loopback, wait_for
from tests.contacts.e2e.world import (
    BASE,
    CONTACTS,
    ERIKA,
    MAX_CONTACTS,
    contact,
    in_database,
    lines_of_ours,
    now,
    one,
    owner_of,
    refused,
    rows,
)

pytestmark = pytest.mark.servers


@pytest.fixture
def owner(world):
    """A new one for each test."""
    return world.owner()


@pytest.fixture(scope="module")
def somebody(world):
    """One whose list stays empty."""
    return world.owner()


def raw(owner, content, method="POST"):
    return owner.send(method, content=content)


# What the interface is for ---------------------------------------------------------------------------------


@pytest.mark.parametrize("slash", ["", "/"])
def test_the_service_says_what_it_is_with_and_without_a_slash(somebody, slash):
    answer = somebody.send("GET", f"{BASE}{slash}", headers={"Authorization": f"Bearer {somebody.token}"})
    assert answer.status_code == 200
    assert answer.json().keys() == {"title", "description", "contact", "version"}
    assert answer.json()["version"] == "1.0.3"
    assert answer.json()["contact"] == "it@clinic.example"


def test_af_10061_01_users_keep_a_list_of_contacts(owner):
    assert owner.contacts == []
    answer = owner.post(start=5, end=LATEST)
    assert (answer.status_code, answer.json()) == (200, contact(start=5, end=LATEST))
    assert owner.contacts == [contact(start=5, end=LATEST)]
    answer = owner.send("GET", one(ERIKA))
    assert (answer.status_code, answer.json()) == (200, contact(start=5, end=LATEST))

    answer = owner.put(name="Erika M.")
    assert (answer.status_code, answer.json()) == (200, contact(name="Erika M."))
    assert owner.contacts == [contact(name="Erika M.")]

    answer = owner.send("DELETE", one(ERIKA))
    assert (answer.status_code, answer.content) == (204, b"")
    assert "Content-Length" not in answer.headers
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert owner.contacts == []


def test_a_contact_that_is_there_is_replaced_by_either_method(owner):
    for method in ("POST", "PUT", "POST"):
        answer = owner.send(method, json=contact(name=method))
        assert (answer.status_code, answer.json()) == (200, contact(name=method))
        assert owner.contacts == [contact(name=method)]


def test_what_is_not_there_is_not_found(owner):
    assert refused(owner.send("GET", one(ERIKA)), "M_NOT_FOUND") == 404
    assert refused(owner.send("DELETE", one(ERIKA)), "M_NOT_FOUND") == 404
    assert refused(owner.put(), "M_NOT_FOUND") == 404
    assert owner.contacts == []


def test_nobody_sees_or_changes_the_list_of_another(world, owner):
    owner.post().raise_for_status()
    other = world.owner()
    assert other.contacts == []
    assert other.send("DELETE", one(ERIKA)).status_code == 404
    assert other.put(name="x").status_code == 404
    other.post(name="theirs").raise_for_status()
    assert owner.contacts == [contact()]


@pytest.mark.one_process
@pytest.mark.parametrize(
    "mxid",
    [
        "@a/b:practice.example",
        "@../x:practice.example",
        "@a%2Fb:practice.example",
        "@a?b#c:practice.example:8448",
        "@a+b&c=d:practice.example",
        "@Erika:practice.example",
        "@a:[2001:db8::1]:8448",
        "@" + "e" * 244 + ":a.example",
    ],
)
def test_every_user_id_can_be_in_a_path(owner, mxid):
    owner.post(mxid).raise_for_status()
    assert owner.send("GET", one(mxid)).json() == contact(mxid)
    assert owner.send("DELETE", one(mxid)).status_code == 204
    assert owner.contacts == []


def test_user_ids_are_compared_exactly(owner):
    owner.post("@Erika:practice.example").raise_for_status()
    assert owner.send("GET", one("@erika:practice.example")).status_code == 404


def test_a_server_name_may_be_written_in_any_case(owner):
    answer = owner.post("@erika:Practice.Example").raise_for_status()
    assert answer.json()["mxid"] == ERIKA
    assert [each["mxid"] for each in owner.contacts] == [ERIKA]
    owner.put("@erika:PRACTICE.example", name="E").raise_for_status()
    assert owner.send("GET", one("@erika:practice.EXAMPLE")).json() == contact(ERIKA, name="E")
    assert owner.send("DELETE", one("@erika:PRACTICE.example")).status_code == 204
    assert owner.contacts == []


def test_contacts_are_listed_by_user_id(owner):
    for name in ("c", "a", "b"):
        owner.post(f"@{name}:practice.example").raise_for_status()
    assert [each["mxid"][1] for each in owner.contacts] == ["a", "b", "c"]


@pytest.mark.one_process
@pytest.mark.parametrize(
    "name", ["", " ", "Müller, Jörg 👩🏽‍⚕️", "x" * 256, "'; DROP TABLE users; --", "%s ? {0}"]
)
def test_any_text_is_a_name(owner, name):
    owner.post(name=name).raise_for_status()
    assert owner.contacts == [contact(name=name)]


# Windows of time --------------------------------------------------------------------------------------------


def test_af_10061_01_the_check_of_invitations_is_told_within_the_window_only(world, owner):
    start, end = now() + 1000, now() + 2000
    owner.post(start=start, end=end).raise_for_status()
    told = [world.permits(owner, ERIKA, at) for at in (now(), start - 1, start, end, end + 1)]
    assert told == [False, False, True, True, False]
    assert not world.permits(owner, ERIKA.replace("erika", "Erika"), start)
    assert not world.permits(world.owner(), ERIKA, start)
    owner.put().raise_for_status()
    assert world.permits(owner, ERIKA)
    owner.send("DELETE", one(ERIKA)).raise_for_status()
    assert not world.permits(owner, ERIKA)


def test_an_expired_contact_is_not_there_although_it_is_still_stored(world, owner):
    owner.post(end=now() + 1000).raise_for_status()
    change = "UPDATE synapse_tim_contacts SET end_s = {0} WHERE owner = {0}"
    in_database(world.clinic, change, (now() - 2, owner.user_id))
    assert rows(world.clinic, owner.user_id) == [ERIKA]
    assert owner.contacts == []
    assert owner.send("GET", one(ERIKA)).status_code == 404
    assert owner.put().status_code == 404
    assert owner.send("DELETE", one(ERIKA)).status_code == 404
    assert rows(world.clinic, owner.user_id) == []


@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_an_end_in_the_past_withdraws_an_approval(world, owner, method):
    owner.post().raise_for_status()
    answer = owner.send(method, json=contact(end=now() - 2))
    assert answer.status_code == 200
    assert owner.contacts == []
    assert rows(world.clinic, owner.user_id) == []


def test_a_contact_may_begin_later(owner):
    owner.post(start=now() + 1000).raise_for_status()
    assert len(owner.contacts) == 1


# Bodies -----------------------------------------------------------------------------------------------------


@pytest.mark.one_process
@pytest.mark.parametrize("method", ["POST", "PUT"])
@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"displayName": None}, "displayName: expected a text"),
        ({"displayName": "x" * 257}, "displayName: expected a text"),
        ({"displayName": "a\0b"}, "displayName: expected a text"),
        ({"mxid": "erika"}, "mxid: expected a user id"),
        ({"mxid": "@a\0:b.example"}, "mxid: expected a user id"),
        ({"mxid": ["@a:b.example"]}, "mxid: expected a user id"),
        ({"inviteSettings": None}, "inviteSettings: expected an object"),
        ({"inviteSettings": {}}, "inviteSettings.start: expected an integer"),
        ({"inviteSettings": {"start": "5"}}, "inviteSettings.start: expected an integer"),
        ({"inviteSettings": {"start": True}}, "inviteSettings.start: expected an integer"),
        ({"inviteSettings": {"start": 1.5}}, "inviteSettings.start: expected an integer"),
        ({"inviteSettings": {"start": -1}}, "inviteSettings.start: expected seconds"),
        ({"inviteSettings": {"start": 2**63}}, "milliseconds"),
        ({"inviteSettings": {"start": 1654159585000}}, "these look like milliseconds"),
        (
            {"inviteSettings": {"start": 5, "end": 4}},
            "inviteSettings.end: expected a time that is not",
        ),
        ({"inviteSettings": {"start": 5, "end": None}}, "inviteSettings.end: expected an integer"),
    ],
)
def test_what_is_no_contact_is_a_bad_request_that_says_why(somebody, method, changes, said):
    answer = somebody.send(method, json={**contact(), **changes})
    assert refused(answer, "M_BAD_JSON") == 400
    assert said in answer.json()["errorMessage"]
    assert somebody.contacts == []


@pytest.mark.one_process
@pytest.mark.parametrize("method", ["POST", "PUT"])
@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"null",
        b"[]",
        b'"@erika:practice.example"',
        b"{",
        b"{}",
        b"\xff\xfe",
        b"[" * 60_000,
        b"{" * 20_000,
        b'{"a":' * 12_000,
        json.dumps(contact(name="\ud800")).encode(),
        json.dumps(contact()).encode().replace(b'"mxid"', b'"mxid": "@other:a.example", "mxid"'),
        json.dumps(contact()).encode().replace(b'"start": 0', b'"start": 1e3'),
        json.dumps(contact()).encode().replace(b'"start": 0', b'"start": ' + b"1" * 5000),
        json.dumps(contact()).encode().replace(b'"start": 0', b'"start": NaN'),
        json.dumps({**contact(), "more": "x" * MAX_OCTETS}).encode(),
        b" " * 2_000_000,
    ],
    ids=lambda content: repr(content[:20]),
)
def test_what_is_no_json_of_a_contact_is_a_bad_request(somebody, method, content):
    assert refused(raw(somebody, content, method), "M_BAD_JSON") == 400
    assert somebody.contacts == []


def test_members_that_the_interface_does_not_know_are_ignored(owner):
    answer = raw(owner, json.dumps({**contact(), "more": {"x": ["\ud800", "\0"]}}).encode())
    assert (answer.status_code, answer.json()) == (200, contact())


@pytest.mark.one_process
@pytest.mark.parametrize("method", ["GET", "DELETE"])
@pytest.mark.parametrize(
    "part",
    ["erika", "%00", "%FF", "@erika", "%C3%A9", "@a%20b:c.example", "@a%00:c.example", "@" + "x" * 5000],
)
def test_a_path_that_ends_with_no_user_id_is_a_bad_request(somebody, method, part):
    assert refused(somebody.send(method, f"{CONTACTS}/{part}"), "M_INVALID_PARAM") == 400


# Who asks ---------------------------------------------------------------------------------------------------

EVERYTHING = [
    ("GET", BASE),
    ("GET", CONTACTS),
    ("POST", CONTACTS),
    ("PUT", CONTACTS),
    ("GET", one(ERIKA)),
    ("DELETE", one(ERIKA)),
]


@pytest.mark.one_process
@pytest.mark.parametrize(("method", "path"), EVERYTHING)
def test_nobody_gets_an_answer_without_a_token(somebody, method, path):
    headers = {"Mxid": somebody.user_id}
    answer = somebody.send(method, path, content=b"{", headers=headers)
    assert refused(answer, "M_UNKNOWN_TOKEN") == 401
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="TI-Messenger"'
    answer = somebody.send(method, path, headers={**headers, "Authorization": "Bearer unknown"})
    assert refused(answer, "M_UNKNOWN_TOKEN") == 401
    assert answer.headers["WWW-Authenticate"].endswith('error="invalid_token"')


def test_an_access_token_is_not_what_the_interface_asks_for(world):
    user = world.user()
    answer = user.request("GET", CONTACTS, headers={"Mxid": user.user_id})
    assert refused(answer, "M_UNKNOWN_TOKEN") == 401
    answer = user.request(
        "GET", f"{CONTACTS}?access_token={user.access_token}", headers={"Authorization": ""}
    )
    assert refused(answer, "M_UNKNOWN_TOKEN") == 401


def test_a_token_expires(world, owner):
    assert owner.contacts == []
    change = "UPDATE open_id_tokens SET ts_valid_until_ms = 1 WHERE token = {0}"
    in_database(world.clinic, change, (owner.token,))
    assert refused(owner.send("GET"), "M_UNKNOWN_TOKEN") == 401


def test_who_may_no_longer_use_the_account_keeps_no_list(world):
    user = world.user()
    owner = owner_of(user)
    owner.post().raise_for_status()
    root = world.administrator()
    path = f"/_synapse/admin/v2/users/{user.user_id}"
    root.request("PUT", path, {"locked": True}).raise_for_status()
    wait_for(lambda: owner.send("GET").status_code == 401, what="the refusal")
    root.request("PUT", path, {"locked": False}).raise_for_status()
    wait_for(lambda: owner.send("GET").status_code == 200, what="the answer")
    assert owner.contacts == [contact()]


def test_the_list_of_an_account_goes_with_it(world):
    user = world.user()
    owner = owner_of(user)
    owner.post().raise_for_status()
    root = world.administrator()
    path = f"/_synapse/admin/v1/deactivate/{user.user_id}"
    root.request("POST", path, {"erase": False}).raise_for_status()
    assert rows(world.clinic, user.user_id) == []
    wait_for(lambda: owner.post().status_code == 401, what="the refusal")


@pytest.mark.one_process
@pytest.mark.parametrize(("method", "path"), EVERYTHING[1:])
def test_the_header_names_the_owner_of_the_token(world, somebody, method, path):
    token = ("Authorization", f"Bearer {somebody.token}")
    other = "@other:practice.example"
    for names, code, status in (
        ([], "M_INVALID_PARAM", 400),
        ([somebody.user_id] * 2, "M_INVALID_PARAM", 400),
        ([somebody.user_id, other], "M_INVALID_PARAM", 400),
        ([""], "M_FORBIDDEN", 403),
        ([other], "M_FORBIDDEN", 403),
        ([somebody.user_id.upper()], "M_FORBIDDEN", 403),
        ([f"{somebody.user_id},{somebody.user_id}"], "M_FORBIDDEN", 403),
        ([b"\xff\xfe"], "M_FORBIDDEN", 403),
    ):
        headers = [token, *(("Mxid", name) for name in names)]
        answer = somebody.send(method, path, content=b"{", headers=headers)
        assert refused(answer, code) == status, names
    assert somebody.contacts == []


def test_the_name_of_the_header_is_written_in_any_case(somebody):
    token = {"Authorization": f"Bearer {somebody.token}"}
    for name in ("mxid", "MXID", "Mxid"):
        assert somebody.send("GET", headers={**token, name: somebody.user_id}).status_code == 200


# Methods, paths, browsers -----------------------------------------------------------------------------------


@pytest.mark.one_process
@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        (BASE, "GET, HEAD, OPTIONS"),
        (f"{BASE}/", "GET, HEAD, OPTIONS"),
        (CONTACTS, "GET, HEAD, POST, PUT, OPTIONS"),
        (one(ERIKA), "GET, HEAD, DELETE, OPTIONS"),
    ],
)
def test_another_method_is_not_allowed(somebody, path, allowed):
    for method in {"GET", "POST", "PUT", "DELETE", "PATCH", "TRACE"} - set(allowed.split(", ")):
        answer = somebody.send(method, path, headers={})
        assert refused(answer, "M_UNRECOGNIZED") == 405, method
        assert answer.headers["Allow"] == allowed


@pytest.mark.one_process
@pytest.mark.parametrize(
    "path",
    [
        "//",
        "/contacts/",
        "/contact",
        "/contacts/@a:b.example/",
        "/contacts/@a/b:c.example",
        "/contacts//",
        "/%FF",
    ],
)
def test_an_unknown_path_is_not_found_in_the_interfaces_own_words(somebody, path):
    for method in ("GET", "DELETE", "PATCH"):
        assert refused(somebody.send(method, BASE + path, headers={}), "M_UNRECOGNIZED") == 404


@pytest.mark.one_process
@pytest.mark.parametrize(
    "path", ["/tim-contact-mgmt", "/tim-contact-mgmt/", "/tim-contact-mgmt/v1.0.1/contacts"]
)
def test_there_is_one_version_only(somebody, path):
    assert somebody.send("GET", f"/tim-contact-mgmt{path}").status_code == 404


def test_a_head_request_is_a_get_without_the_body(owner):
    owner.post().raise_for_status()
    for path, status in ((CONTACTS, 200), (one(ERIKA), 200), (one("@x:a.example"), 404), (BASE, 200)):
        answer = owner.send("HEAD", path)
        assert (answer.status_code, answer.content) == (status, b"")
    assert owner.contacts == [contact()]


@pytest.mark.one_process
@pytest.mark.parametrize("path", [BASE, CONTACTS, one(ERIKA)])
def test_a_page_in_a_browser_may_send_the_header(somebody, path):
    asked = {"Access-Control-Request-Headers": "authorization,mxid", "Origin": "https://app.example"}
    answer = somebody.send("OPTIONS", path, headers=asked)
    assert answer.status_code == 204
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    allowed = answer.headers["Access-Control-Allow-Headers"].lower().split(", ")
    assert {"authorization", "content-type", "mxid"} <= set(allowed)
    assert "DELETE" in answer.headers["Access-Control-Allow-Methods"]
    elsewhere = somebody.send("OPTIONS", "/_matrix/client/versions", headers=asked)
    assert "mxid" not in elsewhere.headers["Access-Control-Allow-Headers"].lower()


# Where, how many, and at the same time ----------------------------------------------------------------------


def test_it_is_served_to_clients_and_on_no_other_listener(world, owner):
    for url in world.urls:
        assert loopback.get(url + CONTACTS, headers=owner.headers).json() == {"contacts": []}
    for path in (BASE, CONTACTS):
        answer = loopback.get(world.federation_url + path, headers=owner.headers)
        assert answer.status_code == 404
        assert "errorCode" not in answer.text


def at_once(requests):
    """Send many requests at the same time."""
    with ThreadPoolExecutor(16) as pool:
        return list(pool.map(lambda request: request(), requests))


def spread(world, owner, method, contacts):
    """Requests that go to all processes in turn."""

    def request(number, each):
        url = world.urls[number % len(world.urls)] + CONTACTS
        return lambda: loopback.request(method, url, json=each, headers=owner.headers)

    return [request(number, each) for number, each in enumerate(contacts)]


def test_nothing_is_lost_when_many_write_at_once(world):
    owners = [world.owner() for _ in range(3)]
    wanted = [contact(f"@c{n:02}:practice.example") for n in range(30)]
    per_owner = [spread(world, owner, "POST", wanted) for owner in owners]
    answers = at_once([request for trio in zip(*per_owner, strict=True) for request in trio])
    assert {answer.status_code for answer in answers} == {200}
    for owner in owners:
        assert owner.contacts == wanted


def test_the_limit_holds_when_many_write_at_once(world, owner):
    first = [contact(f"@c{n:03}:practice.example") for n in range(MAX_CONTACTS - 10)]
    values = ", ".join(["({0}, {0}, 'Erika', 0, NULL)"] * len(first))
    in_database(
        world.clinic,
        f"INSERT INTO synapse_tim_contacts (owner, contact, display_name, start_s, end_s) VALUES {values}",
        [value for each in first for value in (owner.user_id, each["mxid"])],
    )
    more = [contact(f"@d{n:02}:practice.example") for n in range(40)]
    answers = at_once(spread(world, owner, "POST", more))
    accepted = [answer.json()["mxid"] for answer in answers if answer.status_code == 200]
    others = [answer for answer in answers if answer.status_code != 200]
    assert len(accepted) == 10
    assert {refused(answer, "M_FORBIDDEN") for answer in others} == {400}
    assert [each["mxid"] for each in owner.contacts] == [each["mxid"] for each in first] + sorted(accepted)
    assert owner.post(first[0]["mxid"], name="changed").status_code == 200
    assert owner.put(first[1]["mxid"], name="changed").status_code == 200
    assert owner.send("DELETE", one(first[2]["mxid"])).status_code == 204
    assert owner.post().status_code == 200
    assert owner.post("@other:practice.example").status_code == 400


def test_writers_of_one_contact_leave_one_of_their_versions(world, owner):
    versions = [contact(name=f"version {n}", start=n) for n in range(24)]
    answers = at_once(spread(world, owner, "POST", versions))
    assert {answer.status_code for answer in answers} == {200}
    assert len(owner.contacts) == 1
    assert owner.contacts[0] in versions
    deleted = [lambda: owner.send("DELETE", one(ERIKA)).status_code] * 8
    assert sorted(at_once(deleted)) == [204] + [404] * 7


def test_a_22813_the_log_says_nothing_about_who_may_invite_whom(world, owner):
    owner.post(name="Gundula Geheim").raise_for_status()
    owner.send("GET", one(ERIKA))
    owner.send("POST", json={})
    for line in lines_of_ours(world.clinic):
        assert owner.user_id not in line and "erika" not in line
    assert owner.token not in world.clinic.log_text()
    assert "Gundula" not in world.clinic.log_text()
