"""``synapse-tim reference`` and the pages made of it."""

import json
from pathlib import Path

import pytest

from synapse_tim.check.catalogue import CHECKS, MAS_CHECKS, ONLINE_CHECKS
from synapse_tim.cli import main, reference
from synapse_tim.compliance.denials import CATALOGUE
from synapse_tim.core.homeserver_options import OPTIONS

DOCS = Path(__file__).resolve().parents[2] / "docs"


@pytest.mark.parametrize(
    ("page", "file"),
    [
        ("configuration", "configuration-reference.md"),
        ("denials", "denials.md"),
        ("options", "homeserver-options.md"),
        ("checks", "checks.md"),
        ("synapse", "synapse-internals.md"),
    ],
)
def test_the_documentation_is_up_to_date(page, file, capsys):
    assert main(["reference", page, "--markdown"]) == 0
    assert capsys.readouterr().out == (DOCS / file).read_text()


@pytest.mark.parametrize(
    ("page", "number"),
    [
        ("denials", len(CATALOGUE)),
        ("options", len(OPTIONS)),
        ("checks", len(CHECKS) + len(ONLINE_CHECKS) + len(MAS_CHECKS)),
    ],
)
def test_json(page, number, capsys):
    assert main(["reference", page, "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)[page]
    assert len(rows) == number
    assert set(rows[0]) == set(reference.PAGES[page]().columns)


def test_a_table(capsys):
    assert main(["reference", "denials"]) == 0
    assert "A_26021-01" in capsys.readouterr().out


def test_usage(capsys):
    for arguments in (
        ["reference"],
        ["reference", "nothing"],
        ["reference", "denials", "--json", "--markdown"],
    ):
        with pytest.raises(SystemExit) as exit_:
            main(arguments)
        assert exit_.value.code == 2
    with pytest.raises(SystemExit):
        main(["reference", "--help"])
    assert "Example" in capsys.readouterr().out
