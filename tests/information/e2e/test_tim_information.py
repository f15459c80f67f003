"""``/tim-information``: institution codes and insurers, for users of this server only."""

import pytest

from synapse_tim.testing import loopback, wait_for
from tests.information.e2e.world import (
    FIND,
    IK,
    INFORMATION,
    IS_INSURANCE,
    OTHER_IK,
    OTHER_INSURER,
    UNKNOWN_IK,
    Asking,
    asking,
    in_database,
    lines_of_ours,
    open_id_token,
    refused,
    send,
)
from tests.support.world import log_out

pytestmark = pytest.mark.servers


@pytest.fixture(scope="module")
def user(world):
    return world.user()


@pytest.fixture(scope="module")
def doctor(user):
    return asking(user)


# Who runs it ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("slash", ["", "/"])
def test_r5_1_the_service_says_what_it_is_with_and_without_a_slash(doctor, slash):
    answer = doctor.get(f"{INFORMATION}{slash}")
    assert answer.status_code == 200
    body = answer.json()
    assert body.keys() == {"title", "description", "version"}
    assert body["version"] == "1.0.0"
    assert all(isinstance(value, str) and value for value in body.values())


def test_r5_1_the_operator_says_who_it_is(world):
    answer = asking(world.user(world.practice)).get(INFORMATION)
    assert answer.json() == {
        "title": "Auskunft",
        "description": "Praxis am Markt",
        "contact": "it@praxis.example",
        "version": "1.0.0",
    }


# Institution codes ----------------------------------------------------------------------------------------


def test_r5_2_an_institution_code_leads_to_the_insurers_server(world, doctor):
    assert doctor.get(FIND, ikNumber=IK).json() == {"serverName": world.insurer.server_name}
    answer = doctor.get(FIND, ikNumber=OTHER_IK, more="ignored")
    assert (answer.status_code, answer.json()) == (200, {"serverName": OTHER_INSURER})


def test_r5_2_a_code_that_nobody_has_is_not_found(doctor):
    assert refused(doctor.get(FIND, ikNumber=UNKNOWN_IK), "M_NOT_FOUND") == 404


@pytest.mark.one_process
@pytest.mark.parametrize(
    "query",
    [
        "",
        "?",
        "?ikNumber",
        "?ikNumber=",
        "?iknumber=109500969",
        "?ikNumber=10950096",
        "?ikNumber=1095009690",
        "?ikNumber=10950096a",
        "?ikNumber=%20109500969",
        "?ikNumber=109500969%0A",
        "?ikNumber=109500969%00",
        "?ikNumber=%D9%A1%D9%A0%D9%A9%D9%A5%D9%A0%D9%A0%D9%A9%D9%A6%D9%A9",  # Arabic digits
        "?ikNumber=%FF%FE",
        "?ikNumber=109500969&ikNumber=109500969",
        "?ikNumber=109500969&ikNumber=109999994",
        "?ikNumber=" + "1" * 9000,
    ],
)
def test_r5_9_what_is_no_institution_code_is_a_bad_request(doctor, query):
    assert refused(doctor.get(FIND + query), "M_INVALID_PARAM") == 400


# Insurers -------------------------------------------------------------------------------------------------


def test_r5_3_insurers_are_told_from_others(world, doctor):
    for name in (world.insurer.server_name, OTHER_INSURER, "KK.Example:8448"):
        assert doctor.get(IS_INSURANCE, serverName=name).json() == {"isInsurance": True}
    for name in (world.clinic.server_name, world.practice.server_name):
        assert doctor.get(IS_INSURANCE, serverName=name).json() == {"isInsurance": False}


@pytest.mark.one_process
@pytest.mark.parametrize(
    "name", ["nobody.example", "kk.example", "kk.example:8449", "192.0.2.1", "[2001:db8::1]:8448"]
)
def test_r5_5_a_server_that_nobody_knows_is_no_insurers(doctor, name):
    answer = doctor.get(IS_INSURANCE, serverName=name)
    assert (answer.status_code, answer.json()) == (200, {"isInsurance": False})


@pytest.mark.one_process
@pytest.mark.parametrize(
    "query",
    [
        "",
        "?serverName=",
        "?servername=kk.example",
        "?serverName=kk.example:8448&serverName=kk.example:8448",
        "?serverName=https://kk.example",
        "?serverName=kk.example/",
        "?serverName=kk.example:",
        "?serverName=kk.example:port",
        "?serverName=kk.example%00",
        "?serverName=kk.example%0A",
        "?serverName=%4B%E2%84%AA.example:8448",  # the Kelvin sign is no k
        "?serverName=%FF",
        "?serverName=" + "a" * 9000,
        "?serverName=-kk.example",
        "?serverName=@user:kk.example",
    ],
)
def test_r5_3_what_is_no_server_name_is_a_bad_request(doctor, query):
    assert refused(doctor.get(IS_INSURANCE + query), "M_INVALID_PARAM") == 400


# Who may ask ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [INFORMATION, f"{INFORMATION}/", FIND, IS_INSURANCE])
def test_r5_6_nobody_gets_an_answer_without_a_token(user, path):
    answer = send(user, "GET", path, params={"ikNumber": IK, "serverName": OTHER_INSURER})
    assert refused(answer, "M_UNKNOWN_TOKEN") == 401
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="TI-Messenger"'


@pytest.mark.parametrize(
    "headers",
    [
        ["Bearer unknown"],
        ["Bearer"],
        ["unknown"],
        ["Bearer a b"],
        ["Bearer " + "a" * 9000],
        [b"Bearer \xff\xfe"],
        ["Basic dW5rbm93bjo="],
        ["Bearer unknown", "Bearer unknown"],
    ],
)
def test_r5_6_a_token_of_nobody_is_refused(user, headers):
    answer = send(user, "GET", FIND, params={"ikNumber": IK}, headers=[("Authorization", h) for h in headers])
    assert refused(answer, "M_UNKNOWN_TOKEN") == 401
    assert answer.headers["WWW-Authenticate"].endswith('error="invalid_token"')


def test_r5_6_two_tokens_are_none(doctor):
    headers = [("Authorization", f"Bearer {doctor.token}")] * 2
    assert refused(send(doctor, "GET", INFORMATION, headers=headers), "M_UNKNOWN_TOKEN") == 401
    for scheme in ("Bearer", "bearer", "BEARER"):
        headers = {"Authorization": f"{scheme} {doctor.token}"}
        assert send(doctor, "GET", INFORMATION, headers=headers).status_code == 200


def test_r5_6_a_token_in_the_address_does_not_count(doctor):
    answer = send(doctor, "GET", INFORMATION, params={"access_token": doctor.token})
    assert refused(answer, "M_UNKNOWN_TOKEN") == 401


def test_r5_6_an_access_token_is_not_what_the_interface_asks_for(user):
    answer = user.request("GET", INFORMATION)
    assert refused(answer, "M_UNKNOWN_TOKEN") == 401


def test_r5_6_access_tokens_are_accepted_if_the_operator_wants_it(world):
    user = world.user(world.practice)
    assert user.request("GET", INFORMATION).status_code == 200
    assert asking(user).get(INFORMATION).status_code == 200
    gone = Asking(user.base_url, user.access_token)
    log_out(world.practice, user)
    assert refused(gone.get(INFORMATION), "M_UNKNOWN_TOKEN") == 401
    assert send(user, "GET", INFORMATION, params={"access_token": "x"}).status_code == 401


def test_r5_6_a_token_of_another_server_is_refused(world, user):
    other = Asking(user.base_url, open_id_token(world.user(world.practice)))
    assert refused(other.get(INFORMATION), "M_UNKNOWN_TOKEN") == 401


def test_r5_6_a_token_expires(world):
    other = asking(world.user())
    assert other.get(INFORMATION).status_code == 200
    in_database(
        world.clinic, "UPDATE open_id_tokens SET ts_valid_until_ms = 1 WHERE token = {0}", (other.token,)
    )
    assert refused(other.get(INFORMATION), "M_UNKNOWN_TOKEN") == 401


def admin_put(world, user, body):
    root = world.clinic.register(f"root-{user.localpart}", admin=True)
    root.request("PUT", f"/_synapse/admin/v2/users/{user.user_id}", body).raise_for_status()


@pytest.mark.parametrize("change", [{"deactivated": True}, {"locked": True}])
def test_r5_6_who_may_no_longer_use_the_account_gets_no_answer(world, change):
    user = world.user()
    other = asking(user)
    assert other.get(INFORMATION).status_code == 200
    admin_put(world, user, change)
    wait_for(lambda: other.get(INFORMATION).status_code == 401, what="the refusal")
    assert refused(other.get(INFORMATION), "M_UNKNOWN_TOKEN") == 401


# Methods, paths, browsers ---------------------------------------------------------------------------------


@pytest.mark.one_process
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "TRACE", "PROPFIND"])
@pytest.mark.parametrize("path", [INFORMATION, f"{INFORMATION}/", FIND, IS_INSURANCE])
def test_r5_4_another_method_is_not_allowed(doctor, method, path):
    answer = doctor.get(path, method=method)
    assert refused(answer, "M_UNRECOGNIZED") == 405
    assert answer.headers["Allow"] == "GET, HEAD, OPTIONS"


@pytest.mark.one_process
@pytest.mark.parametrize(
    "path",
    [
        "//",
        "/v1",
        "/v1/server",
        "/v1/server/",
        "/v1/server/findByIk/",
        "/v1/server/findByIK",
        "/v1%2Fserver%2FfindByIk",
        "/v1/server/isInsurance/x",
        "/v2/server/isInsurance",
        "/%FF",
        "/%00",
        "/..%2f..%2f_synapse/admin",
    ],
)
def test_r5_4_an_unknown_path_is_not_found_in_the_interfaces_own_words(doctor, path):
    assert refused(doctor.get(INFORMATION + path), "M_UNRECOGNIZED") == 404
    assert refused(send(doctor, "DELETE", INFORMATION + path), "M_UNRECOGNIZED") == 404


def test_a_head_request_is_a_get_without_the_body(doctor):
    for code, status in ((IK, 200), (UNKNOWN_IK, 404), ("x", 400)):
        answer = doctor.get(FIND, method="HEAD", ikNumber=code)
        assert (answer.status_code, answer.content) == (status, b"")
        assert answer.headers["Content-Type"] == "application/json"
    assert send(doctor, "HEAD", FIND).status_code == 401


@pytest.mark.one_process
@pytest.mark.parametrize("path", [INFORMATION, f"{INFORMATION}/", FIND, IS_INSURANCE])
def test_a_browser_may_ask_from_any_page(doctor, path):
    answer = send(doctor, "OPTIONS", path, headers={"Access-Control-Request-Headers": "authorization"})
    assert answer.status_code == 204
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert "Authorization" in answer.headers["Access-Control-Allow-Headers"]
    assert doctor.get(INFORMATION).headers["Access-Control-Allow-Origin"] == "*"


# Where, and what from -------------------------------------------------------------------------------------


def test_it_is_served_to_clients_and_on_no_other_listener(world, doctor):
    assert world.other_listeners
    for names, url in world.other_listeners.items():
        for path in (INFORMATION, f"{INFORMATION}/", FIND):
            answer = loopback.get(url + path, headers={"Authorization": f"Bearer {doctor.token}"})
            assert answer.status_code == 404, names
            assert "errorCode" not in answer.text


def test_it_is_served_by_every_process_that_serves_clients(world, user, doctor):
    for each in (world.clinic, *getattr(world.clinic, "workers", ())):
        there = Asking(each.client_url, doctor.token)
        assert there.get(FIND, ikNumber=IK).json() == {"serverName": world.insurer.server_name}
        for headers in ({}, {"Authorization": "Bearer unknown"}):
            assert send(user.at(each.client_url), "GET", INFORMATION, headers=headers).status_code == 401


def test_the_answer_follows_the_federation_list(world, doctor):
    name, code = "new-insurer.example", "101234567"
    assert doctor.get(FIND, ikNumber=code).status_code == 404
    world.ti.add(name, insurance=True, ik=[code])
    wait_for(lambda: doctor.get(FIND, ikNumber=code).status_code == 200, what="the new insurer")
    assert doctor.get(FIND, ikNumber=code).json() == {"serverName": name}
    assert doctor.get(IS_INSURANCE, serverName=name).json() == {"isInsurance": True}
    world.ti.remove(name)
    wait_for(lambda: doctor.get(FIND, ikNumber=code).status_code == 404, what="its removal")


@pytest.mark.parametrize("path", [INFORMATION, f"{INFORMATION}/", FIND])
def test_r5_8_an_insurers_server_has_no_such_service(world, path):
    user = world.user(world.insurer)
    answer = asking(user).get(path, ikNumber=IK)
    assert (answer.status_code, answer.json()["errcode"]) == (404, "M_UNRECOGNIZED")


def test_a_22813_the_log_says_nothing_about_who_asks(world, user, doctor):
    doctor.get(FIND, ikNumber=IK)
    user.request("GET", INFORMATION)
    for line in lines_of_ours(world.clinic):
        assert user.user_id not in line and user.localpart not in line
        assert doctor.token not in line and user.access_token not in line
    assert doctor.token not in world.clinic.log_text()
