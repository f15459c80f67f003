"""``synapse-tim compliance``: what it prints, and that whatever is said to be enforced is shown by a test."""

import json
from pathlib import Path

import pytest

from synapse_tim.cli import main
from synapse_tim.compliance.evidence import EvidenceError, all_tests, collect, packaged
from synapse_tim.compliance.requirements import BY_ID, REQUIREMENTS, Status

ROOT = Path(__file__).resolve().parents[2]


def test_everything_that_is_enforced_is_shown_on_real_servers(capsys):
    assert main(["compliance", "--tests", str(ROOT / "tests"), "--json"]) == 0, capsys.readouterr().err


def test_tests_name_requirements_that_are_known():
    for test in all_tests(ROOT / "tests"):
        assert set(test.ids) <= set(BY_ID), test.name


def test_a_checkout_has_the_evidence_of_its_tests():
    """Wheels contain it: ``tests/docs/test_package.py``."""
    assert packaged() == collect(ROOT / "tests")


def test_the_documentation_is_up_to_date(capsys):
    """Otherwise: the output of ``synapse-tim compliance --markdown`` has to get there."""
    assert main(["compliance", "--markdown"]) == 0
    assert capsys.readouterr().out == (ROOT / "docs" / "compliance.md").read_text()


def test_json(capsys):
    assert main(["compliance", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["requirements"]
    assert [row["id"] for row in rows] == [requirement.id for requirement in REQUIREMENTS]
    row = next(row for row in rows if row["id"] == "A_28271")
    assert "join_rule" in row["denials"]
    assert "synapse_tim.rooms.module" in row["where"]
    assert any(test.startswith("tests/rooms/e2e/test_changes.py::test_a_28271_") for test in row["tests"])
    assert (row["products"], row["status"]) == (["pro"], "enforced")
    assert row["spec_versions"] == ["1.2", "draft-1.15"]


def test_a_table(capsys):
    assert main(["compliance"]) == 0
    out = capsys.readouterr().out
    for requirement in REQUIREMENTS:
        assert f" {requirement.id} " in out
    assert f"{len(REQUIREMENTS)} requirements: " in out


def test_a_single_one_with_its_tests(capsys):
    assert main(["compliance", "A_28271", "AF_10057"]) == 0
    out = capsys.readouterr().out
    assert "tests/rooms/e2e/test_changes.py::test_a_28271_no_room_becomes_public_later" in out
    assert out.startswith("id             A_28271\ntitle ")
    assert "A_25534" not in out


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--product", "epa"], lambda each: "epa" in each.products),
        (["--spec-version", "1.1"], lambda each: "1.1" in each.generations),
        (["--status", "partly", "--status", "setting"], lambda each: each.status in ("partly", "setting")),
        (
            ["--status", "enforced", "--product", "pro", "A_28271", "A_28587"],
            lambda each: each.id == "A_28271",
        ),
    ],
)
def test_some_of_them(arguments, expected, capsys):
    assert main(["compliance", "--json", *arguments]) == 0
    shown = {row["id"] for row in json.loads(capsys.readouterr().out)["requirements"]}
    assert shown == {each.id for each in REQUIREMENTS if expected(each)}


@pytest.mark.parametrize(
    ("name", "hint"), [("A_00000", "unknown"), ("A_26021", "A_26021-01"), ("a_28271", "A_28271"), ("", "")]
)
def test_an_unknown_one_exits_2(name, hint, capsys):
    assert main(["compliance", "A_28271", name]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert hint in err


@pytest.mark.parametrize(
    "arguments",
    [["--status", "done"], ["--product", "kk"], ["--spec-version", "2"], ["--json", "--markdown"]],
)
def test_wrong_usage_exits_2(arguments):
    with pytest.raises(SystemExit) as caught:
        main(["compliance", *arguments])
    assert caught.value.code == 2


def test_collecting_wants_to_know_where(capsys):
    assert main(["compliance", "--collect"]) == 2
    assert "--tests" in capsys.readouterr().err


SERVERS = "import pytest\npytestmark = pytest.mark.servers\n"


@pytest.fixture
def suite(tmp_path):
    """A directory of tests with one file."""

    def write(text):
        directory = tmp_path / "tests" / "policies"
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "test_x.py").write_text(text)
        return tmp_path / "tests"

    return write


@pytest.mark.parametrize(
    "text",
    [
        SERVERS + "def test_a_28271_x(world): ...",
        SERVERS + "def test_a_28596_a_28271_x(world): ...",
        SERVERS + "async def test_a_28271_x(world): ...",
        SERVERS + "@pytest.mark.requirement('A_28596', 'A_28271')\ndef test_x(world): ...",
        SERVERS + "class TestX:\n    def test_a_28271_x(self, world): ...",
        "import pytest\npytestmark = [pytest.mark.workers, pytest.mark.requirement('A_28271')]\n"
        "def test_x(world): ...",
        "import pytest\n@pytest.mark.servers\ndef test_a_28271_x(world): ...",
        "from pytest import mark\n@mark.requirement('A_28271')\nclass TestX:\n"
        "    pytestmark = mark.servers\n    def test_x(self): ...",
        SERVERS + "@pytest.mark.skipif(True, reason='x')\ndef test_a_28271_x(world): ...",
    ],
)
def test_what_counts(suite, text):
    (test,) = collect(suite(text))["A_28271"]
    assert test.startswith("tests/policies/test_x.py::")
    assert test.endswith("_x")


@pytest.mark.parametrize(
    "text",
    [
        "def test_a_28271_x(world): ...",
        "import pytest\n@pytest.mark.servers\ndef test_y(world): ...\ndef test_a_28271_x(world): ...",
        SERVERS + "def a_28271_x(world): ...",
        SERVERS + "def test_x_a_28271(world): ...",
        SERVERS + "# def test_a_28271_x(world): ...\n'''def test_a_28271_y(world): ...'''",
        SERVERS + "def test_y():\n    def test_a_28271_x(world): ...",
        SERVERS + "@pytest.mark.skip\ndef test_a_28271_x(world): ...",
        SERVERS + "@pytest.mark.skip(reason='later')\ndef test_a_28271_x(world): ...",
        SERVERS + "@pytest.mark.xfail\ndef test_a_28271_x(world): ...",
        "import pytest\npytestmark = [pytest.mark.servers, pytest.mark.skip]\ndef test_a_28271_x(world): ...",
    ],
)
def test_what_does_not_count(suite, text, capsys):
    directory = suite(text)
    assert collect(directory) == {}
    assert main(["compliance", "A_28271", "A_22940", "--tests", str(directory)]) == 1
    assert capsys.readouterr().err == "no test on real servers: A_28271\n"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("def test_a_99999_x(): ...", "A_99999"),
        ("def test_a_28271_05_x(): ...", "A_28271-05"),
        (SERVERS + "@pytest.mark.requirement('R4.2')\ndef test_x(): ...", "R4.2"),
        (SERVERS + "@pytest.mark.requirement(NAME)\ndef test_x(): ...", "literal"),
        (SERVERS + "@pytest.mark.requirement\ndef test_x(): ...", "literal"),
        ("def test_(:", "cannot be read"),
        ("\0", "cannot be read"),
    ],
)
def test_tests_that_are_no_evidence_are_named(suite, text, says, capsys):
    directory = suite(text)
    with pytest.raises(EvidenceError, match=says):
        collect(directory, BY_ID)
    assert main(["compliance", "--tests", str(directory)]) == 2
    assert "tests/policies/test_x.py" in capsys.readouterr().err


def test_a_directory_without_tests(tmp_path, capsys):
    for directory in (tmp_path, tmp_path / "nothing"):
        assert main(["compliance", "--tests", str(directory)]) == 2
        assert "there are no tests in" in capsys.readouterr().err


def test_partly_enforced_ones_want_a_test_too():
    found = [BY_ID[name] for name in ("A_22936", "A_26289", "A_22815", "A_22940")]
    assert [each.needs_proof for each in found] == [True, True, False, False]
    assert found[0].status is Status.PARTLY
