"""What keeps a homeserver from starting, parts that are loaded alone, and lists that are late or old."""

import pytest

from synapse_tim.testing import SynapseServer, loopback, wait_for
from tests.information.e2e.world import (
    FIND,
    IK,
    INFORMATION,
    IS_INSURANCE,
    OTHER_INSURER,
    PAGE,
    REPORT,
    SUPPORT,
    asking,
    in_database,
    module,
    refused,
)

pytestmark = pytest.mark.servers


def clinic(ti, tmp_path, *modules, **extra):
    return SynapseServer(
        "clinic",
        tmp_path / "clinic",
        ti.world,
        modules=modules,
        extra={"federation_domain_whitelist": [], **extra},
    )


def part(name="InformationServices", product="pro", **block):
    return {"module": f"synapse_tim.{name}", "config": {"product": product, "spec_version": "1.2", **block}}


def get(server, path):
    return loopback.get(server.client_url + path)


def test_a_26265_a_wrong_block_is_refused_with_every_key_path(ti, tmp_path):
    support = {"contacts": [{"role": "m.role.admin"}], "support_page": "http://x.example/"}
    information = {"support": support, "supports": {}}
    said = clinic(ti, tmp_path, module(ti, information=information)).start_expecting_failure()
    assert "config.information.support.contacts[0]: expected email_address, matrix_id or both" in said
    assert "config.information.support.support_page: expected an https URL" in said
    assert "config.information.supports: this key is unknown" in said
    assert "Traceback" not in said


#: Takes the place of Synapse's well-known documents, as the module API lets it.
OTHER = """
from twisted.web.resource import Resource

class Other:
    def __init__(self, config, api):
        api.register_web_resource(config["path"], Resource())

    @staticmethod
    def parse_config(config):
        return config
"""


@pytest.mark.parametrize(("path", "first"), [("/.well-known", True), (INFORMATION, False)])
def test_a_path_that_another_module_serves_is_not_taken_away(ti, tmp_path, path, first):
    ours = module(ti, information={"support": {"support_page": PAGE}})
    other = {"module": "other.Other", "config": {"path": path}}
    server = clinic(ti, tmp_path, *([other, ours] if first else [ours, other]))
    (server.directory / "other.py").write_text(OTHER)
    said = server.start_expecting_failure() + server.log_text()
    assert f"synapse_tim.InformationServices needs {path}, which another module serves" in said


def test_another_module_may_serve_its_own_path_beside_it(ti, tmp_path, start):
    ours = module(ti, information={"support": {"support_page": PAGE}})
    other = {"module": "other.Other", "config": {"path": "/.well-known/other"}}
    server = clinic(ti, tmp_path, other, ours)
    (server.directory / "other.py").write_text(OTHER)
    start(server)
    assert get(server, SUPPORT).json() == {"support_page": PAGE}


def test_information_for_professionals_needs_the_federation_list(ti, tmp_path):
    server = clinic(ti, tmp_path, part())
    said = server.start_expecting_failure() + server.log_text()
    assert "synapse_tim.InformationServices needs synapse_tim.FederationAllowList" in said


def test_it_is_not_loaded_twice(ti, tmp_path):
    server = clinic(ti, tmp_path, module(ti), part())
    said = server.start_expecting_failure() + server.log_text()
    assert "synapse_tim.InformationServices is loaded twice" in said


def test_it_works_alone_on_an_insurers_server_without_a_public_address(ti, tmp_path, start):
    """Without ``public_baseurl`` there is no well-known document for clients, and this one all the same."""
    information = {"support": {"support_page": PAGE}, "client_report": True}
    server = clinic(ti, tmp_path, part(product="epa", information=information), serve_server_wellknown=True)
    del server.config["public_baseurl"]
    del server.config["federation_domain_whitelist"]
    start(server)
    assert get(server, SUPPORT).json() == {"support_page": PAGE}
    assert get(server, "/.well-known/matrix/server").json() == {"m.server": server.server_name}
    assert get(server, INFORMATION).json()["errcode"] == "M_UNRECOGNIZED"
    user = server.register("user")
    body = {"start": "2026-03-23T12:13Z", "sent": [{"Fachverfahren": "x", "Version": "1", "Anzahl": 1}]}
    wait_for(lambda: user.request("POST", REPORT, body).status_code == 200, what="the table")


def test_only_procedures_that_the_operator_names_are_shown(ti, tmp_path, start):
    information = {"client_report": True, "client_report_procedures": ["de.gematik.known"]}
    server = clinic(ti, tmp_path, part(product="epa", information=information))
    start(server)
    user = server.register("user")
    sent = [
        {"Fachverfahren": name, "Version": "v1", "Anzahl": 3}
        for name in ("de.gematik.known", "de.gematik.unknown")
    ]
    body = {"start": "2026-03-23T12:13Z", "sent": sent}
    wait_for(lambda: user.request("POST", REPORT, body).status_code == 200, what="the table")
    shown = {key: n for key, n in server.metrics().items() if "client_report_events" in key}
    assert set(shown.values()) == {3}
    assert len(shown) == 2
    assert any('procedure="de.gematik.known",version="v1"' in key for key in shown)
    assert any('procedure="other",version="other"' in key for key in shown)


def test_r5_7_without_a_list_there_is_no_answer_yet_and_with_an_old_one_there_is(ti, tmp_path, start):
    ti.add(OTHER_INSURER, insurance=True, ik=[IK])
    ti.faults.status = 500
    block = module(ti)
    block["config"]["federation_list"] = ti.federation_list_config(max_age="3s")
    server = start(clinic(ti, tmp_path, block))
    doctor = asking(server.register("doctor"))
    for path, params in ((FIND, {"ikNumber": IK}), (IS_INSURANCE, {"serverName": OTHER_INSURER})):
        answer = doctor.get(path, **params)
        assert refused(answer, "M_UNKNOWN") == 503
        assert int(answer.headers["Retry-After"]) > 0
    assert refused(doctor.get(FIND, ikNumber="x"), "M_INVALID_PARAM") == 400
    assert doctor.get(INFORMATION).status_code == 200  # says nothing about the federation

    ti.faults.status = None
    wait_for(lambda: doctor.get(FIND, ikNumber=IK).status_code == 200, what="the list")
    ti.faults.status = 500
    stale = "synapse_tim_federation_list_stale"
    wait_for(lambda: server.metrics()[stale] == 1, what="the list to go stale")
    assert doctor.get(FIND, ikNumber=IK).json() == {"serverName": OTHER_INSURER}
    assert doctor.get(IS_INSURANCE, serverName=OTHER_INSURER).json() == {"isInsurance": True}


def test_r5_6_a_database_that_does_not_answer_lets_nobody_in(ti, tmp_path, start):
    server = start(clinic(ti, tmp_path, module(ti, information={"client_report": True})))
    user = server.register("user")
    doctor = asking(user)
    report = {"start": "2026-03-23T12:13Z", "sent": [{"Fachverfahren": "x", "Version": "1", "Anzahl": 1}]}
    wait_for(lambda: user.request("POST", REPORT, report).status_code == 200, what="the table")
    in_database(server, "ALTER TABLE open_id_tokens RENAME TO away")
    in_database(server, "ALTER TABLE synapse_tim_client_reports RENAME TO away_too")
    answer = doctor.get(INFORMATION)
    assert refused(answer, "M_UNKNOWN") == 503
    assert int(answer.headers["Retry-After"]) > 0
    answer = user.request("POST", REPORT, report)
    assert (answer.status_code, answer.json()["errcode"]) == (503, "M_UNKNOWN")
    in_database(server, "ALTER TABLE away RENAME TO open_id_tokens")
    assert doctor.get(INFORMATION).status_code == 200
