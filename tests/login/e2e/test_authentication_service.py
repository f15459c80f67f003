"""Matrix Authentication Service logs users in: what of it reaches the homeserver, and what counts there."""

import contextlib
import json
import re
import secrets
import threading
from pathlib import Path

import pytest
import yaml

from synapse_tim.cli import main
from synapse_tim.testing import SynapseServer, loopback, wait_for
from synapse_tim.testing.servers.client import MatrixUser, url_part
from synapse_tim.testing.simulator.mas.client import REDIRECT, OAuthClient
from synapse_tim.testing.simulator.mas.sessions import API, DEVICE, SYNAPSE_ADMIN
from tests.support.world import CLIENT, AppService, code, module

pytestmark = pytest.mark.servers

ROOT = Path(__file__).parents[3]

PROVIDER = "01HFVBY12TMNTYTBV8W921M5FA"
NAME = f"{CLIENT}/profile/{{}}/displayname"
KEYS = f"{CLIENT}/keys/device_signing/upload"


def upstream(ti, **claims):
    """The broker as the provider of MAS."""
    return {
        "id": PROVIDER,
        "issuer": ti.broker.issuer,
        "client_id": ti.broker.client_id,
        "client_secret": ti.broker.client_secret,
        "discovery_mode": "insecure",
        "scope": "openid",
        "on_backchannel_logout": "logout_all",
        "claims_imports": {
            "skip_confirmation": True,
            "localpart": {
                "action": "require",
                "template": "{{ user.idNummer | lower }}",
                "on_conflict": "fail",
            },
            "displayname": {"action": "force", "template": "{{ user.name }}"},
            **claims,
        },
    }


@pytest.fixture(scope="module")
def clinic(module_ti, tmp_path_factory):
    """A member with product pro whose users MAS logs in."""
    mas = {
        "upstream_oauth2": {"providers": [upstream(module_ti)]},
        "oauth": {"device_code_grant_enabled": True},
    }
    server = SynapseServer(
        "clinic",
        tmp_path_factory.mktemp("mas") / "clinic",
        module_ti.world,
        modules=[module(module_ti, login={})],
        extra={"federation_domain_whitelist": []},
        mas=mas,
    )
    service = AppService()
    service.install(server)
    server.service = service
    module_ti.add(server.server_name)
    with contextlib.ExitStack() as stack:
        stack.callback(server.stop)
        server.start().wait()
        yield server


@pytest.fixture
def client(clinic):
    metadata = loopback.get(f"{clinic.client_url}/_matrix/client/v1/auth_metadata").raise_for_status().json()
    with OAuthClient(metadata) as client:
        client.register(grant_types=["authorization_code", "refresh_token", _DEVICE_CODE]).raise_for_status()
        yield client


_DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"


def logged_in(clinic, client, person="doctor", **asked):
    """Log a person in as a new client does."""
    tokens = client.redeem(client.visit(client.ask(**asked), person=person)).raise_for_status().json()
    me = whoami(clinic, tokens["access_token"]).raise_for_status().json()
    return MatrixUser(
        me["user_id"], tokens["access_token"], clinic.client_url, me.get("device_id", "")
    ), tokens


def whoami(clinic, token):
    headers = {"Authorization": f"Bearer {token}"}
    return loopback.get(f"{clinic.client_url}{CLIENT}/account/whoami", headers=headers)


def user_of(clinic, name=None, **options):
    """A user whom ``mas-cli`` makes and gives a session."""
    name = name or f"user{secrets.token_hex(4)}"
    if name not in clinic.mas.sessions.users:
        clinic.mas.register_user(name)
    token, device = clinic.mas.issue_compatibility_token(name, **options)
    return MatrixUser(f"@{name}:{clinic.server_name}", token, clinic.client_url, device)


@contextlib.contextmanager
def lying(clinic, **answer):
    """Let the introspection say something else."""
    clinic.mas.lies.update(answer)
    try:
        yield
    finally:
        clinic.mas.lies.clear()


# Logging in


def test_a_person_logs_in_with_the_oauth_apis_and_with_the_former_ones(clinic, client, module_ti):
    user, tokens = logged_in(clinic, client)
    name = user.request("GET", NAME.format(url_part(user.user_id))).json()["displayname"]
    assert name == module_ti.broker.people["doctor"].display_name
    renewed = client.token(grant_type="refresh_token", refresh_token=tokens["refresh_token"]).json()
    assert whoami(clinic, renewed["access_token"]).json()["device_id"] == user.device_id
    again = client.token(grant_type="refresh_token", refresh_token=tokens["refresh_token"])
    assert again.json()["error"] == "invalid_grant"
    former = f"{clinic.mas.url}{CLIENT}/login"
    assert {flow["type"] for flow in loopback.get(former).json()["flows"]} == {"m.login.sso", "m.login.token"}
    answer = client.visit(f"{former}/sso/redirect?redirectUrl={REDIRECT}", person="doctor")
    token = answer.headers["Location"].partition("loginToken=")[2]
    body = {"type": "m.login.token", "token": token, "refresh_token": True}
    session = loopback.post(former, json=body).raise_for_status().json()
    assert session["user_id"] == user.user_id and session["device_id"] != user.device_id
    assert whoami(clinic, session["access_token"]).json()["device_id"] == session["device_id"]
    assert code(loopback.post(former, json=body)) == (403, "M_FORBIDDEN")
    password = {"type": "m.login.password", "identifier": {"type": "m.id.user", "user": "x"}, "password": "x"}
    assert code(loopback.post(former, json=password)) == (400, "M_UNRECOGNIZED")


def test_a_code_is_worth_one_session_and_only_with_its_verifier(clinic, client):
    answer = client.visit(client.ask(), person="doctor")
    right, client.verifier = client.verifier, "x" * 43
    assert client.redeem(answer).json()["error"] == "invalid_grant"
    client.verifier = right
    assert client.redeem(answer).json()["error"] == "invalid_grant"  # it was used up
    assert client.redeem(client.visit(client.ask())).status_code == 200
    without = client.browser.get(client.ask(code_challenge=""))
    assert without.json()["error"] == "invalid_request"
    elsewhere = client.browser.get(client.ask(redirect_uri="http://evil.localhost/"))
    assert elsewhere.status_code == 400


def test_a_device_is_linked_by_its_code(clinic, client):
    asked = {"client_id": client.client_id, "scope": f"{API[0]} {DEVICE[0]}DEVICEGRANT"}
    grant = loopback.post(client.metadata["device_authorization_endpoint"], data=asked).json()
    form = {"grant_type": _DEVICE_CODE, "device_code": grant["device_code"]}
    assert client.token(**form).json()["error"] == "authorization_pending"
    linked = client.visit(f"{grant['verification_uri']}?code={grant['user_code']}", person="doctor")
    assert "Device linked" in linked.text
    tokens = client.token(**form).raise_for_status().json()
    assert whoami(clinic, tokens["access_token"]).json()["device_id"] == "DEVICEGRANT"
    assert client.token(**form).json()["error"] == "invalid_grant"


def test_sessions_end_when_the_client_the_provider_or_the_operator_says_so(clinic, client, module_ti):
    first, tokens = logged_in(clinic, client)
    loopback.post(client.metadata["revocation_endpoint"], data={"token": tokens["access_token"]})
    assert code(whoami(clinic, first.access_token)) == (401, "M_UNKNOWN_TOKEN")
    second, _ = logged_in(clinic, client)
    third = user_of(clinic, second.localpart)
    url = f"{clinic.mas.url}/upstream/backchannel-logout/{PROVIDER}"
    sid = module_ti.broker.sessions[-1]
    wrong = module_ti.broker.log_out(sid, url, claims={"aud": "another"})
    assert wrong.status_code == 400 and whoami(clinic, second.access_token).status_code == 200
    assert module_ti.broker.log_out(sid, url).status_code == 200
    assert code(whoami(clinic, second.access_token)) == (401, "M_UNKNOWN_TOKEN")
    assert whoami(clinic, third.access_token).status_code == 200
    clinic.mas.kill_sessions(third.localpart)
    assert code(whoami(clinic, third.access_token)) == (401, "M_UNKNOWN_TOKEN")


def test_an_account_is_nobody_elses(clinic, client, module_ti):
    name = "taken"
    clinic.mas.register_user(name)
    module_ti.broker.claims["idNummer"] = name
    try:
        answer = client.visit(client.ask(), person="hospital")
    finally:
        module_ti.broker.claims.clear()
    assert answer.status_code == 409


def test_r4_5_localparts_are_what_the_rules_allow(clinic):
    headers = {"Authorization": f"Bearer {clinic.mas.config.secret}"}
    url = f"{clinic.client_url}/_synapse/mas/provision_user"
    for name in ("_service", "4711", "Doctor", "a:b", "@a", "ü", "", "x" * 256):
        answer = loopback.post(url, json={"localpart": name}, headers=headers)
        assert answer.status_code == 400, (name, answer.text)
    assert loopback.post(url, json={"localpart": "x_4711"}, headers=headers).status_code == 201


def test_the_configuration_of_the_documentation_lets_people_log_in(module_ti, tmp_path, start, capsys):
    _, _, page = (
        (ROOT / "docs" / "login.md").read_text().partition("\n## With Matrix Authentication Service\n")
    )
    blocks = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    own, theirs = (yaml.safe_load(body.replace("/etc/synapse", str(tmp_path))) for body in blocks[:2])
    for name in ("mas_secret", "mas_encryption", "mas_rsa.pem", "broker_secret"):
        (tmp_path / name).touch(mode=0o600)
        (tmp_path / name).write_text("secret")
    (tmp_path / "mas.yaml").write_text(yaml.safe_dump(theirs))
    document = {"server_name": "example.de", "report_stats": False, **own}
    (tmp_path / "homeserver.yaml").write_text(yaml.safe_dump(document))
    main(["check", str(tmp_path / "homeserver.yaml"), "--mas", str(tmp_path / "mas.yaml"), "--json"])
    lines = json.loads(capsys.readouterr().out)["results"]
    assert {line["verdict"] for line in lines if line["check"].startswith("mas.")} <= {"ok", "not_applicable"}

    (provider,) = theirs["upstream_oauth2"]["providers"]
    provider |= {"issuer": module_ti.broker.issuer, "client_id": "synapse", "discovery_mode": "insecure"}
    for elsewhere in ("http", "matrix", "secrets"):
        del theirs[elsewhere]
    (entry,), own["modules"] = own["modules"], None
    entry["config"]["federation_list"] = module_ti.federation_list_config()
    del own["matrix_authentication_service"]
    server = SynapseServer(
        "example", tmp_path / "example", module_ti.world, modules=[entry], extra=_without(own), mas=theirs
    )
    start(server)
    metadata = loopback.get(f"{server.client_url}/_matrix/client/v1/auth_metadata").json()
    with OAuthClient(metadata) as client:
        client.register().raise_for_status()
        user, _ = logged_in(server, client)
    assert user.user_id.endswith(f":{server.server_name}")


def _without(config):
    return {key: value for key, value in config.items() if value is not None}


# What tokens are worth


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({"active": False}, (401, "M_UNKNOWN_TOKEN")),
        ({"expires_in": -1}, (401, "M_UNKNOWN_TOKEN")),
        ({"scope": "openid"}, (401, "M_UNKNOWN_TOKEN")),
        ({"scope": SYNAPSE_ADMIN}, (401, "M_UNKNOWN_TOKEN")),
        ({"scope": "urn:matrix:client:api:read"}, (401, "M_UNKNOWN_TOKEN")),
        ({"device_id": "ANOTHERDEVICE"}, (401, "M_UNKNOWN_TOKEN")),
        ({"device_id": "x" * 256}, (500, "M_UNKNOWN")),
        (
            {"device_id": None, "scope": f"{API[0]} {DEVICE[0]}ABCDEFGHIJ {DEVICE[0]}KLMNOPQRST"},
            (500, "M_UNKNOWN"),
        ),
        ({"username": "nobody"}, (500, "M_UNKNOWN")),
        ({"username": "doctor:elsewhere.example"}, (500, "M_UNKNOWN")),
        ({"username": None}, (500, "M_UNKNOWN")),
        ({"active": "yes"}, (503, "M_UNKNOWN")),
    ],
    ids=str,
)
def test_what_the_introspection_says_counts_and_nothing_else(clinic, answer, expected):
    user = user_of(clinic)
    with lying(clinic, **answer):
        refused = [
            user.request("GET", f"{CLIENT}/account/whoami"),
            user.request("PUT", NAME.format(url_part(user.user_id)), {"displayname": "x"}),
            user.request("POST", f"{CLIENT}/user_directory/search", {"search_term": "x"}),
            user.try_create_room(),
        ]
    assert [each.status_code for each in refused] == [expected[0]] * len(refused)
    clinic.mas.issue_compatibility_token(user.localpart)
    assert user_of(clinic, user.localpart).try_create_room().status_code == 200


def test_a_28271_a_session_without_a_device_is_judged_like_any_other(clinic, client):
    user, _ = logged_in(clinic, client, scope=API[0])
    colleague = user_of(clinic)
    assert not user.device_id
    room = user.create_room()
    refused = user.put_state(room, "m.room.join_rules", {"join_rule": "public"})
    assert code(refused) == (400, "M_INVALID_ROOM_STATE")
    assert user.invite(room, colleague.user_id).status_code == 200


def test_without_the_service_clients_try_again(clinic):
    known, user = user_of(clinic), user_of(clinic)
    known.request("GET", f"{CLIENT}/account/whoami").raise_for_status()
    clinic.mas.stop()
    try:
        assert code(user.request("GET", f"{CLIENT}/account/whoami")) == (503, "M_UNKNOWN")
        assert code(user.try_create_room()) == (503, "M_UNKNOWN")
        assert known.try_create_room().status_code == 200  # Synapse remembers tokens for two minutes
    finally:
        clinic.mas.start()
    assert user.try_create_room().status_code == 200


def test_a_slow_service_keeps_nobody_else_waiting(clinic):
    known, user = user_of(clinic), user_of(clinic)
    known.request("GET", f"{CLIENT}/account/whoami").raise_for_status()
    clinic.mas.faults.slow_drip = 0.05
    try:
        answers, before = [], clinic.mas.introspections
        waiting = threading.Thread(target=lambda: answers.append(user.try_create_room()))
        waiting.start()
        wait_for(lambda: clinic.mas.introspections > before, what="the question")
        assert known.try_create_room().status_code == 200
        assert not answers
        waiting.join()
    finally:
        clinic.mas.faults.slow_drip = 0.0
    assert answers[0].status_code == 200
    clinic.mas.faults.status = 500
    try:
        assert code(user_of(clinic).try_create_room()) == (503, "M_UNKNOWN")
    finally:
        clinic.mas.faults.status = 0


def test_deactivated_and_locked_users_are_out(clinic):
    user, other = user_of(clinic), user_of(clinic)
    clinic.mas.lock_user(user.localpart, deactivate=True)
    clinic.mas.lock_user(other.localpart)
    for each in (user, other):
        assert code(each.try_create_room()) == (401, "M_UNKNOWN_TOKEN")
    clinic.mas.unlock_user(other.localpart)
    # Synapse remembers for two minutes what a token was worth, also nothing.
    assert user_of(clinic, other.localpart).try_create_room().status_code == 200
    clinic.mas.unlock_user(user.localpart, reactivate=True)
    assert user_of(clinic, user.localpart).try_create_room().status_code == 200


# Administrators


def test_r4_15_the_scope_of_the_token_makes_an_administrator_and_nothing_else(clinic, client):
    user, _ = logged_in(clinic, client)
    path = NAME.format(url_part(user.user_id))
    clinic.mas.sessions.users[user.localpart].admin = True
    scope = f"{API[0]} {DEVICE[0]}{secrets.token_hex(6)}"
    plain = logged_in(clinic, client, scope=scope)[0]
    assert code(plain.request("PUT", path, {"displayname": "x"})) == (403, "M_FORBIDDEN")
    admin = logged_in(clinic, client, scope=f"{scope} {SYNAPSE_ADMIN}")[0]
    assert admin.request("PUT", path, {"displayname": "Dr. Muster"}).status_code == 200
    assert admin.request("GET", "/_synapse/admin/v2/users?guests=false").status_code == 200
    assert code(plain.request("GET", "/_synapse/admin/v2/users?guests=false")) == (403, "M_FORBIDDEN")
    clinic.mas.sessions.users[user.localpart].admin = False
    denied = client.visit(client.ask(scope=f"{scope} {SYNAPSE_ADMIN}"))
    assert denied.status_code == 403 and "not allowed" in denied.text


def test_a_28358_who_is_an_administrator_in_synapses_database_only_redacts_like_everybody(clinic):
    admin = user_of(clinic, synapse_admin=True)
    user = user_of(clinic)
    path = f"/_synapse/admin/v2/users/{url_part(user.user_id)}"
    admin.request("PUT", path, {"admin": True}).raise_for_status()
    for each, expected in ((user, 403), (admin, 200)):
        room = each.create_room()
        old = clinic.service.send(each, room, "m.room.message", {"msgtype": "m.text", "body": "x"})
        redaction = f"{CLIENT}/rooms/{room}/redact/{url_part(old)}/{secrets.token_hex(4)}"
        assert each.request("PUT", redaction, {}).status_code == expected
        other = user_of(clinic)
        assert (
            each.request("PUT", NAME.format(url_part(other.user_id)), {"displayname": "x"}).status_code != 500
        )


# Ways around


def test_r4_3_nobody_registers_and_guests_do_not_exist(clinic):
    url = f"{clinic.client_url}{CLIENT}/register"
    for query, body in (
        ("", {}),
        ("?kind=guest", {}),
        ("?kind=guest", {"type": "m.login.application_service", "inhibit_login": True}),
        ("", {"username": "x", "password": "x", "auth": {"type": "m.login.dummy"}}),
    ):
        answer = loopback.post(url + query, json=body)
        assert code(answer) == (403, "M_FORBIDDEN"), answer.text
        assert "R4.3" in answer.text or "register" in answer.text.lower()
    headers = {"Authorization": f"Bearer {clinic.service.token}"}
    body = {"type": "m.login.application_service", "username": "bridge1", "inhibit_login": True}
    made = loopback.post(url, json=body, headers=headers)
    assert made.status_code == 200 and "access_token" not in made.json()


def test_what_synapse_leaves_to_the_service_it_does_not_serve(clinic):
    user = user_of(clinic)
    for method, path in (
        ("GET", "/login"),
        ("POST", "/login"),
        ("POST", "/logout"),
        ("POST", "/refresh"),
        ("POST", "/account/password"),
        ("POST", "/account/deactivate"),
        ("POST", "/account/3pid/add"),
        ("POST", "/account/password/email/requestToken"),
        ("POST", "/delete_devices"),
    ):
        assert user.request(method, CLIENT + path, {}).status_code == 404, path
    for path in ("/account/3pid", "/account/3pid/bind", "/account/3pid/unbind"):
        assert code(user.request("POST", CLIENT + path, {})) == (403, "M_FORBIDDEN")


@pytest.mark.parametrize("token", ["", "wrong", "user", "service"])
def test_only_the_service_gets_at_what_synapse_has_for_it(clinic, token):
    admin = user_of(clinic, synapse_admin=True)
    token = {"user": admin.access_token, "service": clinic.service.token}.get(token, token)
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    for name in (
        "provision_user",
        "delete_user",
        "upsert_device",
        "set_displayname",
        "allow_cross_signing_reset",
    ):
        body = {"localpart": admin.localpart, "erase": True, "device_id": "DEVICE", "displayname": "x"}
        answer = loopback.post(f"{clinic.client_url}/_synapse/mas/{name}", json=body, headers=headers)
        assert answer.status_code in (401, 403), answer.text
    assert admin.try_create_room().status_code == 200


def test_msc4312_cross_signing_keys_are_reset_with_the_consent_given_at_the_service(clinic, client):
    user, _ = logged_in(clinic, client)

    def keys():
        key = secrets.token_urlsafe(32)[:43]
        return {"master_key": {"user_id": user.user_id, "usage": ["master"], "keys": {f"ed25519:{key}": key}}}

    assert user.request("POST", KEYS, keys()).status_code == 200
    asked = user.request("POST", KEYS, keys())
    assert asked.status_code == 401
    assert {"stages": ["m.oauth"]} in asked.json()["flows"]
    page = asked.json()["params"]["m.oauth"]["url"]
    assert page.startswith(clinic.mas.url)
    assert "successfully" in client.visit(page).text
    assert user.request("POST", KEYS, keys()).status_code == 200
    assert user.request("POST", KEYS, keys()).status_code in (200, 401)


# The generation on Matrix 1.15


@pytest.fixture(scope="module")
def fund(module_ti, tmp_path_factory):
    """A member with product epa of the draft."""
    server = SynapseServer(
        "fund",
        tmp_path_factory.mktemp("draft") / "fund",
        module_ti.world,
        modules=[module(module_ti, "epa", "draft-1.15")],
        extra={"federation_domain_whitelist": []},
        mas={},
    )
    module_ti.add(server.server_name, insurance=True)
    with contextlib.ExitStack() as stack:
        stack.callback(server.stop)
        server.start().wait()
        yield server


def test_a_25641_01_the_draft_speaks_matrix_1_15(fund):
    assert "GSC327" in fund.log_text()
    versions = loopback.get(f"{fund.client_url}/_matrix/client/versions").json()["versions"]
    newer = [name for name in versions if name.startswith("v1.") and int(name[3:]) > 15]
    assert {"v1.11", "v1.15"} <= set(versions) and not newer


def test_a_26290_01_profiles_in_the_draft_are_refused_as_matrix_says(fund):
    own, other = user_of(fund), user_of(fund)
    for path in ("", "/displayname", "/avatar_url"):
        url = f"{CLIENT}/profile/{{}}{path}"
        refused = own.request("GET", url.format(url_part(other.user_id)))
        assert code(refused) == (403, "M_FORBIDDEN")
        assert own.request("GET", url.format(url_part(own.user_id))).status_code == 200


def test_af_10233_the_draft_has_the_rules_of_1_2(fund):
    own, other = user_of(fund), user_of(fund)
    room = own.create_room()
    assert own.state(room, "m.room.create").json()["room_version"] == "10"
    assert code(own.invite(room, other.user_id)) == (403, "M_FORBIDDEN")
    forbidden = {"type": "de.gematik.tim.roomtype.default.v2"}
    assert own.try_create_room(creation_content=forbidden).status_code == 400


def test_both_ways_to_say_where_a_room_is_are_understood(clinic):
    own, other = user_of(clinic), user_of(clinic)
    for name in ("via", "server_name"):
        room = own.create_room(preset="private_chat")
        own.request("POST", f"{CLIENT}/rooms/{room}/invite", {"user_id": other.user_id}).raise_for_status()
        joined = other.request(
            "POST", f"{CLIENT}/join/{url_part(room)}", {}, params={name: clinic.server_name}
        )
        assert joined.status_code == 200, name
