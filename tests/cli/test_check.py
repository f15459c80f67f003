"""``synapse-tim check``: silent on what is right, and of what is wrong exactly one line."""

import json

import pytest
import yaml

from synapse_tim.cli import main
from synapse_tim.rules.homeserver_catalogue import CHECKS
from synapse_tim.rules.homeserver_facts import Verdict
from synapse_tim.rules.products import Product, SpecVersion
from tests.cli.configurations import WRONG, Place, make_files, sound

KINDS = [(product, spec_version) for product in Product for spec_version in SpecVersion]
BY_NAME = {check.name: check for check in CHECKS}
PROBLEMS = (Verdict.VIOLATION, Verdict.WARNING)


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """A directory with the files of the example, which tests leave as they are."""
    directory = tmp_path_factory.mktemp("check") / "files"
    directory.mkdir()
    return Place(directory, make_files(directory))


@pytest.fixture
def place(base, tmp_path_factory):
    """For the files of one test, beside those."""
    directory = base.directory.parent / tmp_path_factory.mktemp("x").name
    directory.mkdir()
    return Place(directory, base.world)


@pytest.fixture
def write(place):
    def write(config, name="homeserver.yaml"):
        path = place.directory / name
        path.write_text(config if isinstance(config, str) else yaml.safe_dump(config))
        return str(path)

    return write


@pytest.fixture
def check(capsys):
    """Run the command; gives the code and what it printed, as JSON if it was asked for."""

    def run(*arguments):
        code = main(["check", *map(str, arguments)])
        captured = capsys.readouterr()
        out = json.loads(captured.out) if "--json" in arguments else captured.out
        return code, out, captured.err

    return run


def problems(answer):
    return {(line["check"], line["verdict"]) for line in answer["results"] if line["verdict"] in PROBLEMS}


@pytest.mark.parametrize(("product", "spec_version"), KINDS)
def test_the_example_has_neither_violations_nor_warnings(base, write, check, product, spec_version):
    code, answer, err = check(write(sound(base.directory, product, spec_version)), "--json", "--strict")
    assert problems(answer) == set()
    assert (code, err) == (0, "")
    assert (answer["product"], answer["spec_version"]) == (product.value, spec_version.value)


def test_every_check_has_a_wrong_configuration():
    assert set(WRONG) == set(BY_NAME)
    assert len(BY_NAME) == len(CHECKS)


def wrong_configurations():
    """The first one of each check for every kind of server that it counts for, further ones for one kind."""
    for name, wrongs in WRONG.items():
        for number, wrong in enumerate(wrongs):
            kinds = [
                (product, spec_version)
                for product, spec_version in KINDS
                if product in BY_NAME[name].products & wrong.products
                and spec_version in BY_NAME[name].spec_versions & wrong.spec_versions
            ]
            for product, spec_version in kinds[:1] if number else kinds:
                case = f"{name}-{number}-{product}-{spec_version}"
                yield pytest.param(name, wrong, product, spec_version, id=case)


@pytest.mark.parametrize(("name", "wrong", "product", "spec_version"), list(wrong_configurations()))
def test_what_is_wrong_has_a_line_of_its_own(base, place, write, check, name, wrong, product, spec_version):
    config = sound(base.directory, product, spec_version)
    wrong.change(config, place)
    verdict = wrong.verdict or BY_NAME[name].otherwise
    code, answer, _ = check(write(config), *place.arguments, "--json")
    expected = {name: verdict, **wrong.also}
    assert problems(answer) == {(each, expected[each].value) for each in expected}
    assert sum(line["check"] == name and line["verdict"] in PROBLEMS for line in answer["results"]) == 1
    assert code == (1 if Verdict.VIOLATION in expected.values() else 0)
