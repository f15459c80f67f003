"""What a homeserver says at start-up about logins, and that it does not start otherwise."""

import contextlib
import json
import sqlite3
import ssl

import httpx
import pytest

from synapse_tim.testing import SynapseServer, loopback, wait_for
from tests.login.e2e.world import (
    AUDIENCE,
    CLIENT,
    DOCTOR,
    IK,
    SSO,
    Keys,
    broker,
    central,
    code,
    log_in,
    logged_in,
    module,
    post_login,
    reasons,
    refused,
    sectoral,
    single_sign_on,
    whoami,
)

pytestmark = pytest.mark.servers

CARDS = {"profile": "gematik_idp", "professions": [DOCTOR]}
INSURED = {"profile": "gesundheitsid"}


def server_with(tmp_path, ti, product="pro", login=None, **extra):
    return SynapseServer(
        "server",
        tmp_path / "server",
        ti.world,
        modules=[module(ti, product, login or {})],
        extra={**SSO, **extra},
    )


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("refreshable_access_token_lifetime", None),
        ("refresh_token_lifetime", "27w"),
        ("nonrefreshable_access_token_lifetime", "27w"),
    ],
)
@pytest.mark.requirement("A_22955")
def test_r4_12_sessions_that_last_for_ever_stop_it(ti, tmp_path, option, value):
    server = server_with(tmp_path, ti)
    server.config[option] = value
    words = server.start_expecting_failure()
    assert option in words
    assert "R4.12" in words


@pytest.mark.requirement("A_22955")
def test_r4_12_a_short_session_lifetime_is_enough(ti, tmp_path, start):
    server = server_with(tmp_path, ti, login={"max_session_lifetime": "12w"}, session_lifetime="12w")
    for option in ("refresh_token_lifetime", "nonrefreshable_access_token_lifetime"):
        del server.config[option]
    start(server)


@pytest.mark.parametrize("lifetime", [None, "13w"])
@pytest.mark.requirement("A_22955")
def test_r4_12_the_operators_own_limit_holds(ti, tmp_path, lifetime):
    more = {"session_lifetime": lifetime} if lifetime else {}
    server = server_with(tmp_path, ti, login={"max_session_lifetime": "12w"}, **more)
    if lifetime:
        server.config.update(refresh_token_lifetime="13w", nonrefreshable_access_token_lifetime="13w")
    assert "login.max_session_lifetime" in server.start_expecting_failure()


def test_af_10234_local_passwords_stop_a_server_for_insured_persons(ti, tmp_path):
    words = server_with(tmp_path, ti, "epa", password_config={"enabled": True}).start_expecting_failure()
    assert "password_config.enabled" in words
    assert "AF_10234" in words


def test_af_10234_tokens_without_claims_stop_a_server_for_insured_persons(ti, tmp_path):
    jwt = {"enabled": True, "secret": "s" * 64, "algorithm": "HS512"}
    words = server_with(tmp_path, ti, "epa", jwt_config=jwt).start_expecting_failure()
    assert "jwt_config" in words


def test_af_10234_a_provider_that_checks_no_claims_stops_a_server_for_insured_persons(ti, tmp_path):
    jinja = "synapse.handlers.oidc.JinjaOidcMappingProvider"
    providers = [
        single_sign_on(ti, "checked", INSURED),
        single_sign_on(ti, "unchecked", {"localpart_template": "{{ user.sub }}"}, jinja),
    ]
    words = server_with(tmp_path, ti, "epa", oidc_providers=providers).start_expecting_failure()
    assert "synapse_tim.OidcMapping" in words
    assert "oidc-unchecked" in words
    assert "oidc-checked" not in words


def test_r4_5_giving_accounts_away_stops_it(ti, tmp_path):
    providers = [single_sign_on(ti, "clinic", CARDS, allow_existing_users=True)]
    words = server_with(tmp_path, ti, oidc_providers=providers).start_expecting_failure()
    assert "allow_existing_users: false" in words


def test_r4_5_giving_accounts_away_stops_it_whoever_maps(ti, tmp_path):
    jinja = "synapse.handlers.oidc.JinjaOidcMappingProvider"
    mapping = {"localpart_template": "{{ user.sub }}"}
    providers = [single_sign_on(ti, "clinic", mapping, jinja, allow_existing_users=True)]
    words = server_with(tmp_path, ti, oidc_providers=providers).start_expecting_failure()
    assert "allow_existing_users: false for oidc-clinic" in words
    cas = {"enabled": True, "server_url": "http://127.0.0.1:1/"}
    assert "cas_config" in server_with(tmp_path, ti, cas_config=cas).start_expecting_failure()


@pytest.mark.parametrize(
    "change",
    [{"id": "oidc-clinic"}, {"id": "saml"}, {"id": "cas"}, {"id": "oidc"}, {"id": "oauth-delegated"}],
)
def test_r4_5_names_of_synapses_own_providers_are_theirs(ti, tmp_path, change):
    server = server_with(
        tmp_path,
        ti,
        login={"providers": [central(ti, **change)]},
        oidc_providers=[single_sign_on(ti, "clinic", CARDS)],
    )
    assert "login.providers[0].id" in server.start_expecting_failure()


def test_r4_5_tokens_and_single_sign_on_of_one_provider_may_share_accounts(ti, tmp_path, start):
    path = Keys(tmp_path).secret("hash")
    block = broker(ti, path, id="oidc-clinic", audience="synapse")
    mapping = {"profile": "oidc", "localpart": block["localpart"]}
    server = server_with(
        tmp_path,
        ti,
        login={"providers": [block]},
        oidc_providers=[single_sign_on(ti, "clinic", mapping)],
    )
    start(server)
    logged_in(server, ti.broker.mint("doctor", audience="synapse"))


def test_af_10234_a_mapping_that_demands_less_stops_a_server_for_insured_persons(ti, tmp_path):
    mapping = {"profile": "oidc", "localpart": {"template": "{sub}"}}
    server = server_with(tmp_path, ti, "epa", oidc_providers=[single_sign_on(ti, "x", mapping)])
    assert "profile gesundheitsid" in server.start_expecting_failure()


def test_single_sign_on_that_is_not_permitted_and_makes_accounts_stops_it(ti, tmp_path):
    jinja = "synapse.handlers.oidc.JinjaOidcMappingProvider"
    providers = [single_sign_on(ti, "plain", {"localpart_template": "{{ user.sub }}"}, jinja)]
    server = server_with(tmp_path, ti, login={"permitted": ["id_token"]}, oidc_providers=providers)
    assert "login.permitted" in server.start_expecting_failure()


@pytest.mark.parametrize("option", ["enable_registration", "allow_guest_access"])
def test_r4_3_the_part_alone_wants_no_registration_either(ti, tmp_path, option):
    server = server_with(tmp_path, ti)
    block = {"product": "pro", "spec_version": "1.2", "login": {}}
    server.config["modules"] = [{"module": "synapse_tim.LoginPolicy", "config": block}]
    server.config[option] = True
    words = server.start_expecting_failure()
    assert option in words
    assert "R4.3" in words


def test_af_10234_local_passwords_confirm_nothing_of_insured_persons(ti, tmp_path):
    reauth = {"enabled": "only_for_reauth"}
    words = server_with(tmp_path, ti, "epa", password_config=reauth).start_expecting_failure()
    assert "password_config.enabled" in words


def test_withdrawn_keys_are_over_at_once(ti, tmp_path, start):
    """A set without keys is something else than a provider that is down."""
    provider = central(ti)
    provider["keys"] = {"jwks_path": str(tmp_path / "keys.json"), "refresh_interval": "1s", "pause": "1s"}
    public = loopback.get(f"{ti.http_url}/idp/certs/puk_idp_sig").json()
    (tmp_path / "keys.json").write_text(json.dumps({"keys": [public]}))
    server = start(server_with(tmp_path, ti, login={"providers": [provider]}))
    logged_in(server, ti.idp.mint("doctor", audience=AUDIENCE))
    (tmp_path / "keys.json").unlink()
    old = "the last ones stay"
    wait_for(
        lambda: logged_in(server, ti.idp.mint("doctor", audience=AUDIENCE)) and old in server.log_text(), 10
    )
    (tmp_path / "keys.json").write_text('{"keys": []}')

    def over():
        return log_in(server, ti.idp.mint("doctor", audience=AUDIENCE)).status_code == 403

    wait_for(over, what="the end of the keys")
    refused(server, ti.idp.mint("doctor", audience=AUDIENCE), "keys_unavailable")


def test_single_sign_on_that_is_not_permitted_makes_no_accounts(ti, tmp_path, start):
    login = {"permitted": ["id_token"], "providers": [central(ti)]}
    mapping = {**CARDS, "localpart": {"template": "{idNummer}"}}
    server = server_with(tmp_path, ti, login=login, oidc_providers=[single_sign_on(ti, "clinic", mapping)])
    server.config["public_baseurl"] = f"{server.federation_url}/"
    start(server)
    ti.broker.preselected = "doctor"
    url = f"{server.federation_url}{CLIENT}/login/sso/redirect/oidc-clinic?redirectUrl=http://localhost/"
    tls = ssl.create_default_context(cafile=ti.ca_file)
    with httpx.Client(trust_env=False, verify=tls, follow_redirects=True) as client:
        answer = client.get(url)
    assert answer.status_code == 400
    assert "This way to log in is not used here." in answer.text
    root = server.register("root", admin=True)
    users = root.request("GET", "/_synapse/admin/v2/users").json()["users"]
    assert [user["name"] for user in users] == [root.user_id]


def test_without_any_way_to_log_in_it_says_so(ti, tmp_path, start):
    server = server_with(tmp_path, ti, login={"permitted": ["id_token"], "break_glass_administrators": ["a"]})
    server.config["password_config"] = {"enabled": False}
    start(server)
    assert "Nobody can log in" in server.log_text()
    assert "break_glass_administrators cannot log in" in server.log_text()


def test_what_is_not_permitted_does_not_confirm_anything_either(ti, tmp_path, start):
    login = {"permitted": ["password"], "providers": [central(ti)]}
    server = start(server_with(tmp_path, ti, login=login))
    user = server.register("nurse")
    answer = user.request("POST", "/_matrix/client/v3/delete_devices", {"devices": ["X"]})
    assert answer.json()["flows"] == [{"stages": ["m.login.password"]}]


def test_af_10234_application_services_get_no_session_along_with_an_account(ti, tmp_path, start):
    server = server_with(tmp_path, ti, "epa")
    path = tmp_path / "as.yaml"
    users = [{"regex": "@bot.*", "exclusive": True}]
    service = {
        "id": "bot",
        "as_token": "as",
        "hs_token": "hs",
        "url": None,
        "sender_localpart": "bot",
        "namespaces": {"users": users},
    }
    path.write_text(json.dumps(service))
    server.config["app_service_config_files"] = [str(path)]
    start(server)
    body = {"type": "m.login.application_service", "username": "bot-a"}
    answer = loopback.post(
        f"{server.client_url}{CLIENT}/register",
        json=body,
        headers={"Authorization": "Bearer as"},
    )
    assert answer.status_code == 200, answer.text
    assert "access_token" not in answer.json()


def test_a_database_that_fails_lets_nobody_in(ti, tmp_path, start):
    path = Keys(tmp_path).secret("hash")
    server = server_with(tmp_path, ti, login={"providers": [broker(ti, path)]})
    start(server)

    def run(statement):
        with contextlib.closing(sqlite3.connect(server.directory / "homeserver.db", timeout=120)) as database:
            database.execute(statement)
            database.commit()

    session = logged_in(server, ti.broker.mint("doctor", audience=AUDIENCE, sid="one"))
    run("ALTER TABLE synapse_tim_provider_session RENAME TO gone_1")
    answer = log_in(server, ti.broker.mint("doctor", audience=AUDIENCE))
    assert code(answer) == (503, "M_UNKNOWN")
    url = f"{server.client_url}/_synapse/client/synapse_tim/backchannel_logout"
    token = ti.broker.logout_token("one", claims={"aud": AUDIENCE})
    answer = loopback.post(url, data={"logout_token": token})
    assert code(answer) == (503, "M_UNKNOWN")
    run("ALTER TABLE gone_1 RENAME TO synapse_tim_provider_session")
    run("ALTER TABLE synapse_tim_used_token RENAME TO gone_2")
    refused(server, ti.broker.mint("doctor", audience=AUDIENCE), "internal")
    assert whoami(server, session)[0] == 200
    run("ALTER TABLE gone_2 RENAME TO synapse_tim_used_token")
    logged_in(server, ti.broker.mint("doctor", audience=AUDIENCE))
    assert loopback.post(url, data={"logout_token": token}).status_code == 200
    wait_for(lambda: whoami(server, session)[0] == 401, what="the end of the session")


def test_a_mapping_with_a_mistake_stops_it(ti, tmp_path):
    providers = [single_sign_on(ti, "clinic", {**CARDS, "minimum_act": "high"})]
    words = server_with(tmp_path, ti, oidc_providers=providers).start_expecting_failure()
    assert "minimum_act: this key is unknown" in words


def test_a_mapping_alone_stops_it(ti, tmp_path):
    server = server_with(tmp_path, ti, oidc_providers=[single_sign_on(ti, "clinic", CARDS)])
    server.config["modules"] = []
    words = server.start_expecting_failure()
    assert "synapse_tim.OidcMapping needs synapse_tim.LoginPolicy" in words


def test_the_part_alone_needs_the_list_for_insured_persons(ti, tmp_path, start):
    server = server_with(tmp_path, ti, "epa")
    block = {"product": "epa", "spec_version": "1.2", "login": {}}
    server.config["modules"] = [{"module": "synapse_tim.LoginPolicy", "config": block}]
    words = server.start_expecting_failure()
    assert "synapse_tim.LoginPolicy needs synapse_tim.FederationAllowList" in words


def test_the_part_alone_logs_people_in(ti, tmp_path, start):
    server = server_with(tmp_path, ti)
    trust = ti.federation_list_config()["trust"]
    block = {
        "product": "pro",
        "spec_version": "1.2",
        "login": {"providers": [central(ti)], "trust": trust},
    }
    server.config["modules"] = [{"module": "synapse_tim.LoginPolicy", "config": block}]
    start(server)
    logged_in(server, ti.idp.mint("doctor", audience=AUDIENCE))
    refused(server, ti.idp.mint("pharmacist", audience=AUDIENCE), "profession_not_permitted")


def test_display_names_that_do_not_follow_are_warned_of(ti, tmp_path, start):
    server = server_with(tmp_path, ti, oidc_providers=[single_sign_on(ti, "clinic", CARDS)])
    server.config["sso"]["update_profile_information"] = False
    start(server)
    assert "set sso.update_profile_information: true" in server.log_text()


# The provider at start-up


@pytest.mark.parametrize(
    "fault", ["idp_wrong_role", "idp_foreign_signer", "idp_bad_signature", "idp_expired_discovery"]
)
def test_a_20657_a_discovery_document_that_is_not_the_idps_brings_no_keys(ti, tmp_path, start, fault):
    setattr(ti.faults, fault, True)
    server = start(server_with(tmp_path, ti, login={"providers": [central(ti)]}))
    refused(server, ti.idp.mint("doctor", audience=AUDIENCE), "keys_unavailable")
    assert "discovery" in server.log_text()
    ti.faults.reset()

    def accepted():
        return log_in(server, ti.idp.mint("doctor", audience=AUDIENCE)).status_code == 200

    wait_for(accepted, what="the genuine document")


def test_a_provider_that_is_down_at_first_keeps_nobody_else_waiting(ti, tmp_path, start):
    ti.faults.paths, ti.faults.status = ("/idp",), 503
    server = start(server_with(tmp_path, ti, login={"providers": [central(ti)]}))
    refused(server, ti.idp.mint("doctor", audience=AUDIENCE), "keys_unavailable")
    user = server.register("colleague")
    assert user.create_room()
    ti.faults.reset()
    wait_for(lambda: log_in(server, ti.idp.mint("doctor", audience=AUDIENCE)).status_code == 200, what="keys")


def test_af_10234_without_any_list_no_insurer_is_known(ti, tmp_path, start):
    ti.stop()
    keys = Keys(tmp_path)
    path, key = keys.private("key")
    ti.start()
    login = {"providers": [sectoral(ti)], "decryption_keys": [path]}
    server = server_with(tmp_path, ti, "epa", login)
    ti.add(server.server_name, insurance=True, ik=[IK])
    ti.faults.status = 503
    start(server)
    token = ti.sectoral.mint("erika", audience=AUDIENCE, encrypt_to=key.public_jwk)
    refused(server, token, "list_missing")
    ti.faults.reset()
    wait_for(lambda: log_in(server, token).status_code == 200, what="the list")


def test_r4_5_institution_codes_of_the_operator_count_while_the_list_names_none(ti, tmp_path, start):
    path, key = Keys(tmp_path).private("key")
    login = {"providers": [sectoral(ti)], "decryption_keys": [path], "further_iks": [IK]}
    server = server_with(tmp_path, ti, "epa", login)
    ti.add(server.server_name, insurance=True)
    ti.add("other.example", insurance=True, ik=["109999994"])
    start(server)
    wait_for(lambda: server.metrics().get("synapse_tim_federation_list_version"), what="the list")

    def token(person):
        return ti.sectoral.mint(person, audience=AUDIENCE, encrypt_to=key.public_jwk)

    logged_in(server, token("erika"))
    refused(server, token("ulla"), "other_insurer")


def test_accounts_are_not_made_unless_the_operator_says_so(ti, tmp_path, start):
    server = start(server_with(tmp_path, ti, login={"providers": [central(ti, registration=False)]}))
    refused(server, ti.idp.mint("doctor", audience=AUDIENCE), "registration_off")
    assert "accepted" not in reasons(server)


def test_only_those_on_the_operators_list_log_in(ti, tmp_path, start):
    card = ti.idp.cards["doctor"]
    provider = central(ti, required_claims={"idNummer": [card.id_nummer]})
    server = start(server_with(tmp_path, ti, login={"providers": [provider]}))
    logged_in(server, ti.idp.mint("doctor", audience=AUDIENCE))
    refused(server, ti.idp.mint("hospital", audience=AUDIENCE), "claim_not_permitted")


def test_a_nonce_may_be_demanded(ti, tmp_path, start):
    server = start(server_with(tmp_path, ti, login={"providers": [central(ti, nonce_required=True)]}))
    url = f"{server.client_url}/_synapse/client/synapse_tim/nonce"
    nonce = loopback.post(url).json()["nonce"]
    refused(server, ti.idp.mint("doctor", audience=AUDIENCE), "nonce")
    refused(server, ti.idp.mint("doctor", audience=AUDIENCE, nonce="made up"), "nonce")
    other = nonce[:-1] + ("A" if nonce[-1] != "A" else "B")
    refused(server, ti.idp.mint("doctor", audience=AUDIENCE, nonce=other), "nonce")
    logged_in(server, ti.idp.mint("doctor", audience=AUDIENCE, nonce=nonce))
    refused(server, ti.idp.mint("doctor", audience=AUDIENCE, nonce=nonce), "nonce")


def test_bad_tokens_of_strangers_keep_nobody_out(ti, tmp_path, start):
    server = server_with(tmp_path, ti, login={"providers": [central(ti)]})
    server.config["rc_login"]["failed_attempts"] = {"per_second": 0.001, "burst_count": 2}
    start(server)
    for _ in range(8):
        refused(server, ti.idp.mint("doctor", audience="another-app"), "audience")
    logged_in(server, ti.idp.mint("doctor", audience=AUDIENCE))


def test_tokens_that_were_used_stay_used_after_a_restart(ti, tmp_path, start):
    server = start(server_with(tmp_path, ti, login={"providers": [central(ti)]}))
    token = ti.idp.mint("doctor", audience=AUDIENCE)
    session = logged_in(server, token)
    server.restart()
    refused(server, token, "replayed")
    again = logged_in(server, ti.idp.mint("doctor", audience=AUDIENCE))
    assert again["user_id"] == session["user_id"]


def test_passwords_are_there_if_the_operator_says_so(ti, tmp_path, start):
    server = start(server_with(tmp_path, ti, login={"permitted": ["password"]}))
    server.register("nurse")
    body = {
        "type": "m.login.password",
        "identifier": {"type": "m.id.user", "user": "nurse"},
        "password": "password",
    }
    assert code(post_login(server, body)) == (200, None)
    assert code(post_login(server, {"type": "m.login.token", "token": "x"})) == (403, "M_FORBIDDEN")


def test_with_matrix_authentication_service_it_says_what_it_does_not_do(ti, tmp_path, start):
    mas = {"enabled": True, "endpoint": "http://127.0.0.1:1/", "secret": "shared"}
    server = server_with(
        tmp_path,
        ti,
        login={"providers": [central(ti)]},
        matrix_authentication_service=mas,
        password_config={"enabled": False},
    )
    for option in (
        "refreshable_access_token_lifetime",
        "refresh_token_lifetime",
        "nonrefreshable_access_token_lifetime",
        "enable_registration",
        "enable_registration_without_verification",
    ):
        server.config.pop(option, None)
    start(server)
    said = server.log_text()
    assert "Matrix Authentication Service logs users in" in said
    assert "With Matrix Authentication Service holds: the federation list" in said
    assert "In Matrix Authentication Service has to hold: passwords.enabled: false" in said
    assert "synapse-tim check homeserver.yaml --mas mas.yaml" in said
    flows = loopback.get(f"{server.client_url}{CLIENT}/login")
    assert code(flows) == (404, "M_UNRECOGNIZED")
    ti.add(server.server_name)
    wait_for(
        lambda: server.metrics().get("synapse_tim_federation_list_version") == ti.version, what="the list"
    )
