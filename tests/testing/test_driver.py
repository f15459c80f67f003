"""The test driver without homeservers: its operations, claims and refusals."""

import json
import ssl
from pathlib import Path

import httpx
import pytest
import yaml
from pydantic import ValidationError

from synapse_tim.cli import main
from synapse_tim.testing import loopback
from synapse_tim.testing.driver import DriverConfig, TestDriver
from synapse_tim.testing.driver.operations import OPERATIONS

DOCUMENT = Path(__file__).parents[3] / "shared" / "data" / "gematik" / "TiMessengerTestTreiber.yaml"
HOMESERVER = {"name": "hospital.example", "url": "http://127.0.0.1:9"}


def api(**changes):
    devices = [{"name": "doctor", "username": "doctor"}, {"name": "nurse", "username": "nurse"}]
    return {"homeserver": HOMESERVER, "product": "pro", "spec_version": "1.2", "devices": devices, **changes}


@pytest.fixture(scope="module")
def driver():
    apis = {"hospital": api(), "insurer": api(product="epa", spec_version="1.1")}
    with TestDriver(DriverConfig.model_validate({"listen": "127.0.0.1:0", "apis": apis})) as running:
        yield running


@pytest.fixture
def send(driver):
    """Send a request; devices are free again afterwards."""

    def send(method, path, body=None, name="hospital"):
        return loopback.request(method, f"http://127.0.0.1:{driver.port}/{name}{path}", json=body)

    yield send
    for number in (1, 2):
        send("POST", f"/devices/{number}/unclaim")


def claim(send, number=1, who="suite", seconds=60):
    return send("POST", f"/devices/{number}/claim", {"claimerName": who, "claimFor": seconds})


def test_operations_are_those_of_the_document():
    if not DOCUMENT.exists():
        pytest.skip("gematik's document is not at hand")
    document = yaml.safe_load(DOCUMENT.read_text())
    wanted = {
        (operation["operationId"], method.upper(), path)
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if method != "parameters"
    }
    assert {(each.name, each.method, each.template) for each in OPERATIONS} == wanted


def test_information_says_what_is_there(send):
    info = send("GET", "/").json()
    assert info["homeserver"] == "hospital.example"
    assert info["testDriverVersion"] == "2.3.0"
    client = info["clientInfo"]
    assert (client["isPro"], client["isInsurance"], client["isVersionThree"]) == (True, False, True)
    assert not client["canAdministrateFhirOrganization"]
    assert not client["canAdministrateFhirPractitioner"]
    other = send("GET", "/", name="insurer").json()["clientInfo"]
    assert (other["isPro"], other["isInsurance"], other["isVersionThree"]) == (False, True, False)


def test_a_device_is_claimed_by_one_at_a_time(send):
    assert claim(send).json()["deviceStatus"] == "claimed"
    assert claim(send, who="another").status_code == 400
    assert claim(send, number=2, who="another").status_code == 200
    listed = send("GET", "/devices").json()["devices"]
    assert [each["claimerName"] for each in listed] == ["suite", "another"]
    assert send("POST", "/devices/1/unclaim").json()["deviceStatus"] == "free"
    assert claim(send, who="another").status_code == 200


def test_nothing_is_done_on_a_device_that_is_not_claimed(send):
    refused = send("GET", "/devices/1/rooms")
    assert (refused.status_code, refused.json()["errorCode"]) == (403, "NOT_CLAIMED")
    assert send("POST", "/devices/1/unclaim").status_code == 403


def test_nothing_is_done_without_a_login(send):
    claim(send)
    refused = send("GET", "/devices/1/rooms")
    assert refused.status_code == 401
    assert refused.json()["flows"] == [{"stages": ["basicAuth"]}]
    assert refused.json()["refusedBy"] == "client"
    assert send("POST", "/devices/1/logout").status_code == 400


def test_a_homeserver_that_does_not_answer_is_not_a_fault_of_the_driver(send):
    claim(send)
    refused = send("POST", "/devices/1/login")
    assert (refused.status_code, refused.json()["refusedBy"]) == (502, "homeserver")


def test_what_is_not_configured_is_not_implemented(send):
    claim(send)
    assert send("GET", "/devices/1/fhir/org").status_code == 501
    assert send("POST", "/devices/1/fhir/fhirAuthenticate").status_code == 501


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nothing", 404),
        ("GET", "/devices/3/account", 404),
        ("GET", "/devices/x/account", 404),
        ("GET", "/devices/99999999999999999999999/account", 404),
        ("DELETE", "/devices", 405),
    ],
)
def test_unknown_paths(send, method, path, status):
    refused = send(method, path)
    assert refused.status_code == status
    assert {"errorCode", "errorMessage"} <= refused.json().keys()


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"claimerName": "suite"},
        {"claimerName": "suite", "claimFor": 59},
        {"claimerName": "suite", "claimFor": "60"},
        {"claimerName": None, "claimFor": 60},
        [],
    ],
)
def test_malformed_claims(send, body):
    assert send("POST", "/devices/1/claim", body).status_code == 400


def test_a_body_that_is_no_json(driver):
    url = f"http://127.0.0.1:{driver.port}/hospital/devices/1/claim"
    assert loopback.post(url, content=b"{").status_code == 400


def test_a_body_in_chunks(driver):
    url = f"http://127.0.0.1:{driver.port}/hospital/devices/2/claim"
    body = json.dumps({"claimerName": "suite", "claimFor": 60}).encode()
    answer = loopback.post(url, content=iter([body[:10], body[10:]]))
    assert answer.status_code == 200
    assert loopback.post(url.replace("/claim", "/unclaim")).status_code == 200


def test_the_suite_is_known_by_its_certificate(ti_world, tmp_path):
    server, ca = tmp_path / "server.pem", tmp_path / "ca.pem"
    client = tmp_path / "client.pem"
    server.write_bytes(ti_world.tls_server.pem + ti_world.tls_server.key_pem)
    client.write_bytes(ti_world.tls_client.pem + ti_world.tls_client.key_pem)
    ca.write_bytes(ti_world.tls_ca.pem)
    tls = {"certificate": str(server), "client_ca": str(ca)}
    config = {"listen": "127.0.0.1:0", "tls": tls, "apis": {"hospital": api()}}
    context = ssl.create_default_context(cafile=ca)
    with TestDriver(DriverConfig.model_validate(config)) as driver:
        url = f"https://localhost:{driver.port}/hospital"
        with httpx.Client(verify=context, trust_env=False) as nobody, pytest.raises(httpx.TransportError):
            nobody.get(f"{url}/devices")
        context.load_cert_chain(client)
        with httpx.Client(verify=context, trust_env=False) as suite:
            body = {"claimerName": "suite", "claimFor": 60}
            claimed = suite.post(f"{url}/devices/1/claim", json=body).json()
            assert claimed["claimerCn"]
            assert suite.post(f"{url}/devices/1/unclaim").status_code == 200


def test_the_command_checks_its_file(tmp_path, capsys):
    path = tmp_path / "driver.yaml"
    path.write_text(yaml.safe_dump({"apis": {"hospital": api(encrypt=False)}}))
    assert main(["test-driver", str(path), "--check"]) == 0
    path.write_text(yaml.safe_dump({"apis": {"hospital": api(encrypt=False, product="other")}}))
    assert main(["test-driver", str(path), "--check"]) == 2
    assert "apis.hospital.product" in capsys.readouterr().err


@pytest.mark.parametrize(
    "wrong",
    [
        {"apis": {}},
        {"apis": {"hospital": api(devices=[])}},
        {"apis": {"hospital": api(product="other")}},
        {"apis": {"hospital": api(unknown=1)}},
        {"apis": {"hospital": api()}, "listen": "8480"},
    ],
)
def test_wrong_configurations(wrong):
    with pytest.raises(ValidationError):
        DriverConfig.model_validate(wrong)
