"""``synapse-tim status``: what the metrics of many processes say, in one table or one JSON."""

import json
import time

import pytest
import yaml

from synapse_tim.cli import main
from synapse_tim.testing.http import Answer, LoopbackServer
from synapse_tim.testing.simulator.faults import Faults

DAY, YEAR = 86400, 365 * 86400
NOW = time.time()
LIST = "synapse_tim_federation_list_"


def metrics(version=7, stale=0, age=60, signer=YEAR, listed=1, denied=30, hours=10):
    return f"""# HELP {LIST}version Version
# TYPE {LIST}version gauge
{LIST}version {version}.0
{LIST}stale {stale}.0
{LIST}last_confirmed_timestamp_seconds {NOW - age}
{LIST}signer_expiry_timestamp_seconds {NOW + signer}
{LIST}own_domain_listed {listed}.0
synapse_tim_decisions_total{{outcome="denied",policy="invite",rule="a"}} {denied}.0
synapse_tim_decisions_total{{outcome="denied",policy="rooms",rule="b"}} {denied}.0
synapse_tim_decisions_total{{outcome="allowed",policy="rooms",rule="b"}} 5000.0
process_start_time_seconds {NOW - hours * 3600}
"""


PAGES = {
    "/well": metrics(),
    "/behind": metrics(version=6, age=7200),
    "/stale": metrics(stale=1, age=4 * DAY),
    "/empty": metrics(version=0, stale=1, listed=0),
    "/unlisted": metrics(listed=0),
    "/expires": metrics(signer=20 * DAY),
    "/other": "some_metric 1.0\n",
    "/rubbish": "<html>{{{",
    "/_synapse/metrics": metrics(version=9),
}


@pytest.fixture(scope="module")
def server():
    def answer(request):
        page = PAGES.get(request.path)
        return Answer(404) if page is None else Answer(200, page.encode())

    running = LoopbackServer(0, answer, lambda *_: None, Faults())
    yield f"http://localhost:{running.port}"
    running.close()


@pytest.fixture
def status(server, capsys):
    def run(*endpoints):
        code = main(["status", *(each.replace("@", server, 1) for each in endpoints)])
        out = capsys.readouterr().out
        return code, json.loads(out) if "--json" in endpoints else out

    return run


def test_what_is_well(status):
    code, answer = status("practice=@/well", "--json")
    (row,) = answer["homeservers"]
    assert code == 0
    assert 60 <= row.pop("age_seconds") <= time.time() - NOW + 61
    assert row.pop("signer_not_after").startswith(time.strftime("%Y-", time.gmtime(NOW + YEAR)))
    assert 5 <= row.pop("refusals_per_hour") <= 6
    assert row == {
        "name": "practice",
        "version": 7,
        "stale": False,
        "own_domain_listed": True,
        "processes": 1,
        "unreachable": [],
        "problems": [],
    }
    assert answer["summary"] == {"homeservers": 1, "with_problems": 0}


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("/stale", "stale"),
        ("/empty", "no list"),
        ("/unlisted", "not in the list"),
        ("/expires", "the signer expires"),
        ("/other", "synapse_tim is not loaded there"),
        ("/rubbish", "no metrics"),
        ("/nothing", "status 404"),
    ],
)
def test_what_is_not(status, path, problem):
    code, answer = status(f"a=@{path}", "b=@/well", "--json")
    assert code == 1
    assert any(problem in each for each in answer["homeservers"][0]["problems"])
    assert answer["homeservers"][1]["problems"] == []
    assert problem in status(f"a=@{path}")[1]


def test_of_several_processes_the_worst_counts(status):
    code, answer = status("clinic=@/well", "clinic=@/behind", "--json")
    (row,) = answer["homeservers"]
    assert (code, row["version"], row["versions"], row["processes"]) == (0, 6, [6, 7], 2)
    assert row["age_seconds"] >= 7200
    assert 11 <= row["refusals_per_hour"] <= 12


def test_one_that_cannot_be_reached_is_named_and_the_others_are_shown(status):
    code, out = status("gone=http://localhost:1/metrics", "practice=@/well")
    assert code == 1
    assert "http://localhost:1/metrics" in out
    assert "2 homeservers, 1 with problems" in out
    _, answer = status("clinic=http://localhost:1/metrics", "clinic=@/well", "--json")
    (row,) = answer["homeservers"]
    assert (row["version"], len(row["unreachable"])) == (7, 1)


def test_targets_are_read_as_prometheus_has_them(status, server, tmp_path):
    host = server.removeprefix("http://")
    groups = [
        {"targets": [host], "labels": {"job": "hospital"}},
        {"targets": [host], "labels": {"job": "practice", "__metrics_path__": "/well"}},
    ]
    for name, text in (("a.json", json.dumps(groups)), ("a.yaml", yaml.safe_dump(groups))):
        (tmp_path / name).write_text(text)
        _, answer = status("--targets", str(tmp_path / name), "--json")
        assert [(row["name"], row["version"]) for row in answer["homeservers"]] == [
            ("hospital", 9),
            ("practice", 7),
        ]


def test_without_a_path_it_is_synapses(status, server):
    _, answer = status("@", "--json")
    (row,) = answer["homeservers"]
    assert (row["name"], row["version"]) == (server.removeprefix("http://"), 9)


@pytest.mark.parametrize(
    "arguments", [[], ["clinic"], ["a=ftp://x"], ["http://"], ["--ca-certificates", "/no", "http://x"]]
)
def test_wrong_usage_is_refused(arguments, capsys):
    assert main(["status", *arguments]) == 2
    assert capsys.readouterr().err


def test_targets_that_are_none_are_refused(tmp_path, capsys):
    for text in ("", "a: 1", "[1]", "- labels: {}"):
        (tmp_path / "t.yaml").write_text(text)
        assert main(["status", "--targets", str(tmp_path / "t.yaml")]) == 2
        assert "file_sd" in capsys.readouterr().err
