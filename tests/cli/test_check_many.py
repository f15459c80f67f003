"""``synapse-tim check`` of many homeservers at once, and its forms for pipelines."""

import contextlib
import io
import json
import xml.etree.ElementTree as ET

import jsonschema
import pytest
import yaml

from synapse_tim.cli import main
from synapse_tim.core.checks import Verdict
from synapse_tim.core.products import Product, SpecVersion
from tests.cli.configurations import make_files, sound


@pytest.fixture(scope="module")
def fleet(tmp_path_factory):
    """A practice that is right, a clinic with a violation and a warning, an insurer whose worker is wrong."""
    fleet = tmp_path_factory.mktemp("fleet")
    files = fleet / "files"
    files.mkdir()
    make_files(files)

    def write(path, document):
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text(document if isinstance(document, str) else yaml.safe_dump(document))

    servers = fleet / "servers"
    right = sound(files, Product.PRO, SpecVersion.V1_2)
    write(servers / "practice" / "homeserver.yaml", right)
    write(servers / "clinic" / "homeserver.yaml", right)
    write(servers / "clinic" / "conf.d" / "mine.yaml", {"report_stats": True, "forget_rooms_on_leave": True})
    write(servers / "insurer" / "homeserver.yaml", sound(files, Product.EPA, SpecVersion.V1_1))
    worker = {"worker_app": "synapse.app.generic_worker", "worker_name": "w:1, 100%"}
    write(servers / "insurer" / "worker1.yaml", worker)
    write(servers / "other" / "note.txt", "no homeserver")
    write(fleet / "broken.yaml", "a: [")
    write(fleet / "single.yaml", right)
    return fleet


@pytest.fixture(scope="module")
def check(fleet):
    """Run the command once for each list of arguments; gives code and output."""
    known = {}

    def run(*arguments):
        arguments = tuple(map(str, arguments))
        if arguments not in known:
            with contextlib.redirect_stdout(io.StringIO()) as out:
                code = main(["check", *arguments])
            known[arguments] = (code, out.getvalue())
        return known[arguments]

    return run


@pytest.fixture(scope="module")
def schema(check):
    return json.loads(check("--schema")[1])


def test_a_directory_of_homeservers_has_one_summary(fleet, check):
    code, out = check("--each", fleet / "servers")
    assert code == 1
    assert "forget_rooms_on_leave" in out
    last = out.splitlines()[-1]
    assert "3 homeservers, 2 with problems, 0 unreadable" in last
    assert all(f"/{name} " in out for name in ("practice", "clinic", "insurer"))
    assert "servers/other" not in out


def test_homeservers_are_judged_each_by_itself_in_json(fleet, check, schema):
    code, out = check("--each", fleet / "servers", fleet / "single.yaml", "--json")
    answer = json.loads(out)
    jsonschema.validate(answer, schema)
    assert code == 1
    found = {each["name"].rpartition("/")[2]: each for each in answer["homeservers"]}
    assert list(found) == ["clinic", "insurer", "practice", "single.yaml"]
    violations = [each["summary"]["violation"] for each in found.values()]
    assert violations == [1, 1, 0, 0]
    assert found["insurer"]["processes"] == ["main", "w:1, 100%"]
    assert (found["insurer"]["product"], found["practice"]["product"]) == ("epa", "pro")
    summary = answer["summary"]
    assert summary["homeservers"] == 4
    for verdict in Verdict:
        assert summary[verdict] == sum(each["summary"][verdict] for each in answer["homeservers"])


def test_one_that_cannot_be_read_does_not_keep_the_others_from_being_judged(fleet, check, schema):
    code, out = check(
        "--each", fleet / "broken.yaml", fleet / "nothing.yaml", fleet / "single.yaml", "--json"
    )
    answer = json.loads(out)
    jsonschema.validate(answer, schema)
    assert code == 2
    broken, missing, single = answer["homeservers"]
    assert ("broken.yaml" in broken["error"], "nothing.yaml" in missing["error"]) == (True, True)
    assert single["summary"]["violation"] == 0
    assert answer["summary"]["unreadable"] == 2
    code, out = check("--each", fleet / "broken.yaml", fleet / "single.yaml")
    assert code == 2
    assert "2 homeservers, 0 with problems, 1 unreadable" in out


def test_warnings_count_only_if_strict(fleet, check):
    clinic = fleet / "servers" / "practice"
    assert check("--each", clinic)[0] == 0
    code, out = check("--each", fleet / "servers", "--strict", "--json")
    assert (code, json.loads(out)["summary"]["with_problems"] >= 1) == (1, True)


def test_the_output_about_one_homeserver_follows_the_schema_too(fleet, check, schema):
    jsonschema.Draft202012Validator.check_schema(schema)
    facts = schema["$defs"]["facts"]["properties"]
    assert facts["product"]["enum"] == [*Product, None]
    assert set(facts["spec_version"]["enum"]) == {*SpecVersion, None}
    for path in (fleet / "single.yaml", fleet / "servers" / "clinic" / "homeserver.yaml"):
        jsonschema.validate(json.loads(check(path, "--json")[1]), schema)
    answer = json.loads(check(fleet / "single.yaml", "--json")[1])
    for wrong in ({**answer, "product": "x"}, {**answer, "error": ""}, {"results": []}, []):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(wrong, schema)


def test_github_gets_an_annotation_for_each_problem(fleet, check):
    clinic = fleet / "servers" / "clinic"
    code, out = check("--each", clinic, "--format", "github")
    assert code == 1
    errors = [line for line in out.splitlines() if line.startswith("::error ")]
    warnings = [line for line in out.splitlines() if line.startswith("::warning ")]
    assert len(errors) == 1
    assert errors[0].startswith(
        f"::error file={clinic},title=A_28342%2C A_28343::main: forget_rooms_on_leave: "
    )
    assert any("report_stats" in line for line in warnings)
    _, out = check("--each", clinic, "--format", "github", "--strict")
    assert "::warning" not in out
    _, out = check("--each", fleet / "broken.yaml", "--format", "github")
    assert out.startswith(f"::error file={fleet}/broken.yaml,title=unreadable::")


def test_junit_has_a_suite_for_each_homeserver(fleet, check):
    code, out = check("--each", fleet / "servers", fleet / "broken.yaml", "--format", "junit")
    assert code == 2
    suites = {suite.get("name").rpartition("/")[2]: suite for suite in ET.fromstring(out)}
    assert list(suites) == ["clinic", "insurer", "practice", "broken.yaml"]
    answer = json.loads(check("--each", fleet / "servers", "--json")[1])
    for each in answer["homeservers"]:
        suite = suites[each["name"].rpartition("/")[2]]
        assert int(suite.get("tests")) == len(suite) == len(each["results"])
        assert (
            int(suite.get("failures"))
            == len(suite.findall("testcase/failure"))
            == each["summary"]["violation"]
        )
        assert int(suite.get("skipped")) == each["summary"]["not_applicable"]
        assert len(suite.findall("testcase/system-out")) == each["summary"]["warning"]
    assert suites["broken.yaml"].find("testcase/error") is not None
    assert suites["broken.yaml"].get("errors") == "1"


@pytest.mark.parametrize("arguments", [[], ["--each"], ["--each", "x.yaml", "--worker", "w.yaml"]])
def test_wrong_usage_is_refused(arguments, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["check", *arguments])
    assert stopped.value.code == 2
    assert "check" in capsys.readouterr().err
