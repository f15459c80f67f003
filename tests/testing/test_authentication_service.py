"""The stand-in for Matrix Authentication Service, with a homeserver that agrees to everything."""

import json

import pytest

from synapse_tim.testing import free_port, loopback
from synapse_tim.testing.http import Answer, LoopbackServer
from synapse_tim.testing.simulator.faults import Faults
from synapse_tim.testing.simulator.mas.client import OAuthClient
from synapse_tim.testing.simulator.mas.pages import own_path
from synapse_tim.testing.simulator.mas.service import AuthenticationService, mas_config
from synapse_tim.testing.simulator.mas.sessions import API, DEVICE, SYNAPSE_ADMIN
from synapse_tim.testing.simulator.simulator import TiSimulator

PROVIDER = "01HFVBY12TMNTYTBV8W921M5FA"


@pytest.fixture(scope="module")
def ti():
    with TiSimulator() as simulator:
        yield simulator


@pytest.fixture
def asked():
    return []


@pytest.fixture
def homeserver(asked):
    def answer(request):
        body = json.loads(request.body) if request.body else {}
        asked.append((request.path.partition("?")[0].rpartition("/")[2], body))
        right = request.headers.get("authorization") == "Bearer shared"
        return Answer.of_json({}, 200 if right else 403)

    server = LoopbackServer(free_port(), answer, lambda *_: None, Faults())
    yield f"http://127.0.0.1:{server.port}"
    server.close()


@pytest.fixture
def service(ti, homeserver):
    """A factory of running services whose provider is the broker."""
    running = []

    def make(imports=None, **overrides):
        provider = {
            "id": PROVIDER,
            "issuer": ti.broker.issuer,
            "client_id": ti.broker.client_id,
            "client_secret": ti.broker.client_secret,
            "claims_imports": {
                "skip_confirmation": True,
                "localpart": {"action": "require", "template": "{{ user.idNummer | lower }}"},
                "displayname": {"action": "force"},
                **(imports or {}),
            },
        }
        document = mas_config("clinic.example", homeserver, provider, matrix={"secret": "shared"})
        running.append(AuthenticationService({**document, **overrides}).start())
        return running[-1]

    yield make
    for each in running:
        each.stop()


@pytest.fixture
def log_in():
    """A factory of clients that are registered."""
    clients = []

    def make(service, **metadata):
        found = loopback.get(f"{service.url}/.well-known/openid-configuration").json()
        clients.append(OAuthClient(found))
        clients[-1].register(**metadata).raise_for_status()
        return clients[-1]

    yield make
    for each in clients:
        each.browser.close()


def test_it_has_no_passwords():
    document = mas_config("clinic.example", "http://127.0.0.1:1")
    with pytest.raises(ValueError, match=r"passwords\.enabled"):
        AuthenticationService({**document, "passwords": {"enabled": True}})
    with pytest.raises(ValueError, match=r"passwords\.enabled"):
        AuthenticationService({**document, "passwords": None})


def test_an_account_is_made_once_with_what_the_provider_says(service, log_in, asked):
    mas = service()
    client = log_in(mas)
    for _ in range(2):
        client.browser.cookies.clear()
        assert client.redeem(client.visit(client.ask(), person="doctor")).status_code == 200
    (made,) = [body for name, body in asked if name == "provision_user"]
    (user,) = mas.sessions.users.values()
    assert made["localpart"] == user.name and made["set_displayname"] and made["set_emails"] == []
    assert [name for name, _ in asked].count("upsert_device") == 2


@pytest.mark.parametrize(
    ("imports", "overrides", "status"),
    [
        ({"localpart": {"action": "require", "template": "{{ user.nothing }}"}}, {}, 403),
        ({"localpart": {"action": "require", "template": "{{ 4711 }}"}}, {}, 403),
        ({"localpart": {"action": "require", "template": "{{ 'Upper' }}"}}, {}, 403),
        ({"displayname": {"action": "require", "template": "{{ user.nothing }}"}}, {}, 400),
        ({}, {"policy": {"data": {"registration": {"allowed_usernames": {"prefixes": ["x"]}}}}}, 403),
        ({}, {"policy": {"data": {"registration": {"banned_usernames": {"regexes": ["."]}}}}}, 403),
    ],
)
def test_what_an_account_must_not_be(service, log_in, imports, overrides, status):
    overrides = {"policy": {"data": {}}, **overrides}
    overrides["policy"]["data"]["client_registration"] = {"allow_insecure_uris": True}
    mas = service(imports, **overrides)
    client = log_in(mas)
    assert client.visit(client.ask(), person="doctor").status_code == status
    assert not mas.sessions.users


def test_people_confirm_their_account_unless_the_operator_says_otherwise(service, log_in):
    mas = service({"skip_confirmation": False})
    client = log_in(mas)
    pressed = client.browser.get(client.ask(), follow_redirects=True)  # no button is pressed
    page = client.browser.get(f"{pressed.url}&person=doctor", follow_redirects=True)
    assert "Create a new account" in page.text and not mas.sessions.users
    assert client.redeem(client.visit(str(page.url))).status_code == 200


@pytest.mark.parametrize(
    ("metadata", "error"),
    [
        ({"client_uri": None}, "invalid_client_metadata"),
        ({"redirect_uris": ["http://evil.localhost/"]}, "invalid_redirect_uri"),
        ({"redirect_uris": ["https://client.localhost/#x"]}, "invalid_redirect_uri"),
        ({"grant_types": ["password"]}, "invalid_client_metadata"),
        ({"grant_types": ["urn:ietf:params:oauth:grant-type:device_code"]}, "invalid_client_metadata"),
        ({"token_endpoint_auth_method": "client_secret_basic"}, "invalid_client_metadata"),
        ({"redirect_uris": "x"}, "invalid_redirect_uri"),
    ],
)
def test_clients_that_may_not_register(service, log_in, metadata, error):
    client = log_in(service())
    assert client.register(**metadata).json()["error"] == error
    native = {"application_type": "native", "redirect_uris": ["de.example.app:/done", "http://127.0.0.1/"]}
    assert client.register(**native).status_code == 201


@pytest.mark.parametrize(
    "scope",
    [
        f"{API[0]} {SYNAPSE_ADMIN}",
        "urn:mas:admin",
        f"{DEVICE[0]}ABCDEFGHIJ",
        f"{API[0]} {DEVICE[0]}SHORT",
        f"{API[0]} {DEVICE[0]}ABCDEFGHIJ {DEVICE[0]}KLMNOPQRST",
        f"{API[0]} anything",
    ],
)
def test_scopes_that_are_not_granted(service, log_in, scope):
    mas = service()
    client = log_in(mas)
    assert client.visit(client.ask(scope=scope), person="doctor").status_code == 403
    assert client.redeem(client.visit(client.ask(scope=f"openid {API[1]}"))).status_code == 200


def test_only_the_homeserver_is_told_what_a_token_is_worth(service, log_in):
    mas = service()
    client = log_in(mas)
    tokens = client.redeem(client.visit(client.ask(device_id="ABCDEFGHIJ"), person="doctor")).json()
    url, form = client.metadata["introspection_endpoint"], {"token": tokens["access_token"]}
    assert loopback.post(url, data=form).status_code == 401
    right = {"Authorization": "Bearer shared"}
    answer = loopback.post(url, data=form, headers=right).json()
    assert answer["active"] and 0 < answer["expires_in"] <= 300
    assert set(answer["scope"].split()) == {*API, *(f"{each}ABCDEFGHIJ" for each in DEVICE)}
    assert "device_id" not in answer
    compat, device = mas.issue_compatibility_token(answer["username"])
    assert loopback.post(url, data={"token": compat}, headers=right).json()["device_id"] == device
    for token in (tokens["refresh_token"], "unknown"):
        assert loopback.post(url, data={"token": token}, headers=right).json() == {"active": False}


@pytest.mark.parametrize("target", ["//evil", "https://evil/", "/\\evil", "evil", "/a\nb", ""])
def test_a_login_leads_nowhere_else(target):
    assert own_path(target) == "/"
    assert own_path("/authorize?x=1") == "/authorize?x=1"


def test_errors_of_the_compatibility_layer_are_matrixs(service):
    mas = service()
    former = f"{mas.url}/_matrix/client/v3"
    for method, path, expected in (
        ("POST", "/login", (400, "M_NOT_JSON")),
        ("POST", "/logout", (401, "M_UNKNOWN_TOKEN")),
        ("GET", "/refresh", (404, "M_UNRECOGNIZED")),
        ("GET", "/login/sso/redirect", (400, "M_MISSING_PARAM")),
        ("GET", "/login/sso/redirect?redirectUrl=javascript:x", (400, "M_MISSING_PARAM")),
    ):
        answer = loopback.request(method, former + path)
        assert (answer.status_code, answer.json()["errcode"]) == expected, path
    assert loopback.get(f"{former}/sync").status_code == 404
