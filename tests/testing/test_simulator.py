from __future__ import annotations

import io
import json
import re
import ssl
import subprocess
import sys

import httpx
import pytest

from synapse_tim.jose.large_jws import CompactJws
from synapse_tim.testing import paths
from synapse_tim.testing.simulator.__main__ import run_commands
from synapse_tim.testing.simulator.simulator import TiSimulator


def payload_of(answer: httpx.Response) -> dict:
    assert answer.status_code == 200
    jws = CompactJws.parse(answer.content)
    jws.verify_signature()
    return json.loads(jws.payload())


def directory_token(ti: TiSimulator, http: httpx.Client) -> str:
    form = {"grant_type": "client_credentials"}
    first = http.post(ti.token_url, auth=("client", ti.secret_path.read_text()), data=form).raise_for_status()
    headers = {"Authorization": f"Bearer {first.json()['access_token']}"}
    return http.get(ti.authenticate_url, headers=headers).raise_for_status().json()["access_token"]


def test_certificates_are_served_as_by_the_download_server(ti: TiSimulator, http: httpx.Client) -> None:
    assert http.get(ti.ca_base_url + "/ECC/ROOT-CA/roots.json").content == ti.world.roots_json()
    sub_ca = http.get(ti.ca_base_url + "/ECC/SUB-CA/GEM.KOMP-CA50_TEST-ONLY.der")
    assert sub_ca.content == ti.world.sub_ca.der
    assert http.get(ti.ca_base_url + "/ECC/SUB-CA/GEM.KOMP-CA51_TEST-ONLY.der").status_code == 404


@pytest.mark.parametrize("algorithm", ["BP256R1", "ES256"])
def test_the_operator_list_is_served_with_and_without_tls(
    ti: TiSimulator, http: httpx.Client, algorithm: str
) -> None:
    for url in (ti.list_url, ti.plain_list_url):
        answer = http.get(url, params={"sigAlg": algorithm})
        assert CompactJws.parse(answer.content).algorithm == algorithm
        listed = payload_of(answer)
        assert listed["version"] == ti.version
        assert [(row["domain"], row["isInsurance"], row.get("ik")) for row in listed["domainList"]] == [
            ("hospital.example:8448", False, None),
            ("insurer.example", True, ["109500969"]),
        ]


def test_a_client_that_is_up_to_date_gets_204(ti: TiSimulator, http: httpx.Client) -> None:
    assert http.get(ti.list_url, params={"version": ti.version}).status_code == 204
    assert http.get(ti.list_url, params={"version": ti.version - 1}).status_code == 200
    before = ti.version
    ti.remove("insurer.example")
    assert ti.version == before + 1
    assert len(payload_of(http.get(ti.list_url, params={"version": before}))["domainList"]) == 1


def test_the_same_list_is_signed_once(ti: TiSimulator, http: httpx.Client) -> None:
    assert http.get(ti.list_url).content == http.get(ti.list_url).content


def test_generated_domains(ti: TiSimulator, http: httpx.Client) -> None:
    ti.set_generated(2000)
    rows = payload_of(http.get(ti.list_url))["domainList"]
    assert len(rows) == 2002
    assert len({row["domain"] for row in rows}) == 2002


def test_the_directory_wants_a_log_in(ti: TiSimulator, http: httpx.Client) -> None:
    assert http.get(ti.directory_list_url).status_code == 401
    assert http.post(ti.token_url, auth=("client", "wrong")).status_code == 401
    headers = {"Authorization": f"Bearer {directory_token(ti, http)}"}
    assert http.get(ti.directory_list_url, headers=headers).status_code == 200
    assert http.get(ti.http_url + paths.DIRECTORY_LIST, headers=headers).status_code == 404


def test_unauthorized_once_ends_all_tokens(ti: TiSimulator, http: httpx.Client) -> None:
    headers = {"Authorization": f"Bearer {directory_token(ti, http)}"}
    ti.faults.unauthorized_once = True
    assert http.get(ti.directory_list_url, headers=headers).status_code == 401
    assert http.get(ti.directory_list_url, headers=headers).status_code == 401
    headers = {"Authorization": f"Bearer {directory_token(ti, http)}"}
    assert http.get(ti.directory_list_url, headers=headers).status_code == 200


def test_tokens_end(ti: TiSimulator, http: httpx.Client) -> None:
    ti.faults.token_lifetime = 0
    headers = {"Authorization": f"Bearer {directory_token(ti, http)}"}
    assert http.get(ti.directory_list_url, headers=headers).status_code == 401


def test_mutual_tls(ti_simulator) -> None:
    ti = ti_simulator(require_client_certificate=True)
    context = ssl.create_default_context(cafile=str(ti.ca_file))
    with pytest.raises(httpx.TransportError):
        httpx.get(ti.list_url, verify=context, trust_env=False)
    context.load_cert_chain(ti.client_pem)
    assert httpx.get(ti.list_url, verify=context, trust_env=False).status_code == 200
    assert ti.federation_list_config()["client_certificate"] == str(ti.client_pem)


def test_requests_are_counted(ti: TiSimulator, http: httpx.Client) -> None:
    http.get(ti.list_url, params={"version": 1})
    http.get(ti.ca_base_url + "/nothing")
    assert ti.requests == [("GET", "/list/federationList.jws?version=1", 200), ("GET", "/nothing", 404)]
    assert ti.count("/list/") == 1


def test_after_an_outage_the_addresses_are_the_same(ti: TiSimulator, http: httpx.Client) -> None:
    http.get(ti.list_url).raise_for_status()
    url = ti.list_url
    ti.stop()
    with pytest.raises(httpx.TransportError):
        http.get(url)
    ti.start()
    assert ti.list_url == url
    assert http.get(url).status_code == 200


def test_the_configuration_block_can_be_changed(ti: TiSimulator) -> None:
    block = ti.federation_list_config(
        url=ti.directory_list_url,
        vzd_credentials=ti.vzd_credentials,
        max_age=None,
        trust={"ocsp": "off", "ocsp_responder_url": None},
    )
    assert block["url"] == ti.directory_list_url
    assert block["vzd_credentials"]["client_id"] == "client"
    assert "max_age" not in block
    assert block["trust"]["ocsp"] == "off"
    assert block["trust"]["pinned_roots"] == [ti.world.pin()]
    assert "ocsp_responder_url" not in block["trust"]


def test_commands(ti: TiSimulator) -> None:
    out = io.StringIO()
    lines = [
        "add new.example\n",
        "remove insurer.example\n",
        "fault slow_drip 0.5\n",
        "fault nothing\n",
        "remove insurer.example\n",
        "\n",
        "status\n",
        "quit\n",
        "add late.example\n",
    ]
    run_commands(ti, lines, out)
    assert ti.directory.domains == ("hospital.example:8448", "new.example")
    assert ti.faults.slow_drip == 0.5
    assert out.getvalue().count("error: ") == 2
    run_commands(ti, ["reset"], out)
    assert not ti.faults.active()


def test_it_runs_in_the_foreground() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "synapse_tim.testing.simulator", "--domain", "a.example"],
        input="status\n",
        capture_output=True,
        text=True,
        check=True,
    )
    assert "domains: a.example" in done.stdout
    assert "pinned_roots:" in done.stdout
    assert re.search(r"central IDP: +https://.*/idp\n", done.stdout)
    assert re.search(r"sectoral IDP: +https://.*/sectoral\n", done.stdout)
    assert re.search(r"broker: +http://.*/broker\n", done.stdout)
    assert done.stderr == ""
