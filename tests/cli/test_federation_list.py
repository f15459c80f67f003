"""``synapse-tim federation-list``: exit codes, JSON keys, refusals."""

import json

import pytest

from synapse_tim.cli import main
from synapse_tim.testing import TiSimulator, sign_list


@pytest.fixture
def ti():
    with TiSimulator() as simulator:
        simulator.add("hospital.example")
        simulator.add("insurer.example", insurance=True, ik=["109500969"])
        yield simulator


@pytest.fixture
def tree(ti, tmp_path):
    ti.world.write_download_tree(tmp_path / "download")
    return tmp_path / "download"


@pytest.fixture
def make_list(ti, tmp_path):
    def make(version, *domains, signer=ti.world.list_signer, name=None):
        rows = [{"domain": d, "telematikID": "1", "isInsurance": d.startswith("kk")} for d in domains]
        file = tmp_path / (name or f"{version}.jws")
        file.write_bytes(sign_list({"version": version, "domainList": rows}, signer))
        return str(file)

    return make


@pytest.fixture
def command(ti, tree, capsys):
    def run(action, *arguments, pins=None, source=("--ca-dir", str(tree)), test=True):
        options = [option for pin in pins or ti.pins for option in ("--pinned-root", pin)]
        options += source
        if test:
            options.append("--allow-test-certificates")
        code = main(["federation-list", action, *map(str, arguments), *options])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


def test_verify_says_what_the_list_is(command, make_list):
    code, out, err = command("verify", make_list(7, "a.example", "kk.example"))
    assert code == 0
    assert "version" in out
    assert "7" in out
    assert "not looked up" in err


def test_verify_json_has_the_keys_of_the_interface(command, make_list):
    code, out, _ = command("verify", make_list(7, "a.example", "kk.example"), "--json")
    assert code == 0
    answer = json.loads(out)
    assert (answer["version"], answer["domains"], answer["insurance_domains"]) == (7, 2, 1)
    assert "VZD-FHIR-FList-Signer" in answer["signer"]
    assert answer["signer_not_after"].endswith("Z")


def test_a_refusal_is_named_and_exits_1(command, make_list, ti):
    wrong = ti.world.pki.fd_sig(ti.world.sub_ca, "Other", role="tim")
    file = make_list(7, "a.example", signer=wrong)
    code, _, err = command("verify", file)
    assert code == 1
    assert "signer_role" in err
    code, out, _ = command("verify", file, "--json")
    assert code == 1
    assert json.loads(out)["reason"] == "signer_role"


def test_test_certificates_are_refused_by_default(command, make_list):
    code, _, err = command("verify", make_list(7, "a.example"), test=False)
    assert code == 1
    assert "test_certificate" in err


def test_a_root_may_be_pinned_as_a_file(command, make_list, tree, tmp_path, ti):
    pin = tmp_path / "root.der"
    pin.write_bytes(ti.world.sub_ca_root.der)
    assert command("verify", make_list(7, "a.example"), pins=[str(pin)])[0] == 0
    pem = tmp_path / "root.pem"
    pem.write_bytes(ti.world.sub_ca_root.pem)
    assert command("verify", make_list(7, "a.example"), pins=[str(pem)])[0] == 0
    assert command("verify", make_list(7, "a.example"), pins=["00" * 32])[0] == 1


def test_at_another_time(command, make_list):
    file = make_list(7, "a.example")
    code, _, err = command("verify", file, "--at", "2099-01-01")
    assert code == 1
    assert "certificate_expired" in err
    with pytest.raises(SystemExit) as caught:
        command("verify", file, "--at", "tomorrow")
    assert caught.value.code == 2


def test_from_a_url_and_a_download_server_with_ocsp(command, ti):
    source = ("--ca-base-url", ti.ca_base_url)
    ocsp = ("--ocsp", "hard", "--ocsp-responder-url", ti.ocsp_url)
    assert command("verify", ti.plain_list_url, *ocsp, source=source)[0] == 0
    over_tls = (ti.list_url, "--ca-certificates", ti.ca_file)
    assert command("verify", *over_tls, source=source)[0] == 0
    ti.faults.revoked_signer = True
    code, _, err = command("verify", ti.plain_list_url, *ocsp, source=source)
    assert code == 1
    assert "revoked" in err
    ti.faults.reset()
    ti.faults.status = 500
    code, _, err = command("verify", ti.plain_list_url, source=source)
    assert code == 1
    assert "http_status" in err


def test_wrong_usage_exits_2(command, make_list):
    assert command("verify", "/nonexistent/list.jws")[0] == 2
    assert command("verify", make_list(7, "a.example"), "--ocsp", "hard")[0] == 2
    assert command("verify", make_list(7, "a.example"), pins=["/nonexistent"])[0] == 2


def test_show_all_and_one(command, make_list):
    file = make_list(7, "a.example", "kk.example")
    code, out, _ = command("show", file)
    assert code == 0
    assert "a.example" in out
    code, out, _ = command("show", file, "A.example", "--json")
    assert code == 0
    assert json.loads(out)["domains"] == [{"domain": "a.example", "insurance": False, "ik": []}]
    assert command("show", file, "b.example")[0] == 1


def test_diff(command, make_list):
    old = make_list(7, "a.example", "b.example")
    new = make_list(8, "b.example", "kk.example")
    code, out, _ = command("diff", old, new, "--json")
    assert code == 0
    assert json.loads(out) == {
        "old_version": 7,
        "new_version": 8,
        "added": ["kk.example"],
        "removed": ["a.example"],
        "insurance_changed": [],
    }
    code, out, _ = command("diff", old, new)
    assert code == 0
    assert "1 added, 1 removed" in out


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["demo"],
        ["compliance"],
        ["monitoring"],
        ["federation-list"],
        ["federation-list", "verify"],
        ["federation-list", "diff"],
    ],
)
def test_help_has_an_example(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        main([*arguments, "--help"])
    assert caught.value.code == 0
    out = capsys.readouterr().out
    assert "Example" in out
