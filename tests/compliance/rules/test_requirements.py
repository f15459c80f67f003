"""The register of requirements: complete, and no rule names anything that is not in it."""

import importlib
import re
from pathlib import Path

import pytest

from synapse_tim.compliance.denials import CATALOGUE
from synapse_tim.compliance.requirements import BY_ID, MEANING, REQUIREMENTS, Status
from synapse_tim.compliance.source import ID, read_package
from synapse_tim.core.homeserver_options import OPTIONS

ROOT = Path(__file__).resolve().parents[3]
REFERENCE = ROOT.parent / "shared" / "reference" / "requirements.md"

#: The requirements on a server, as far as they are known: requirements §9, ranges spelt out.
_IDS = """
AF_10057-04 AF_10061-04 AF_10062-03 AF_10063-01 AF_10064-02 AF_10104-03 AF_10233 A_25704 A_25705 AF_10234
A_25043 A_25044 A_25045-02 A_25046 A_26021-01 A_25258 A_26389 A_26390 A_25318 A_25319 A_25323-01 A_25324-01
A_25325-01 A_25368-01 A_25538 A_25395-02 A_25395-03 A_26210 A_25426 A_25814-01 A_26338-02 A_25481 A_25534
A_25537 A_25632 A_25635 A_25641-01 A_25996 A_26015-02 A_26077 A_26202 A_26203 A_26248 A_26224 A_26244
A_26228-01 A_26262 A_26263 A_26265 A_26289 A_26374 A_26290 A_26290-01 A_26328 A_26330 A_26331 A_26344 A_26348
A_26463 A_26375 A_26515 A_26515-01 A_26518 A_26520 A_28590 A_26574 A_26575 A_28271 A_28358 A_28564-01 A_28587
A_28595 A_28596
A_22808 A_22809 A_22810 A_22811 A_22812 A_22813 A_22814 A_22815 A_22816 A_22817 A_22818 A_22819 A_22929
A_22936 A_22955 A_22965 A_23092 A_23093 A_23094 A_23104-02 A_23611 A_23612
A_21975 A_21976 A_21978 A_21979 A_21980 A_21981-02 A_21982-01 A_22000 A_22001-01 A_22002 A_22004 A_22005
A_22047 A_22429 A_22500-01 A_22513-01 A_22940 A_22946 A_23116 A_23119
"""
IDS = _IDS.split()


def test_every_requirement_on_a_server_is_in_it():
    assert set(IDS) <= set(BY_ID)


def test_the_index_of_the_requirements_has_no_other():
    """Where the reference lies beside the checkout."""
    if not REFERENCE.exists():
        pytest.skip("no reference beside the checkout")
    index = REFERENCE.read_text().partition("\n## 9. ")[2].partition("\n## 10. ")[0]
    named = set()
    for row in index.splitlines():
        if row.startswith("| A"):
            named.update(spelt_out(row.split("|")[1]))
    assert len(named) > 90
    assert named <= set(IDS)


def spelt_out(cell):
    """The ids in a cell such as ``A_26515(-01), A_22808–A_22819, A_23092–94, A_23611/12``."""
    for part in re.split(r", | / | \(", cell.replace("…", "...")):
        part = part.strip(" )")
        match = re.fullmatch(
            r"(AF?_\d{5})(-\d{2})?(?:\((-\d{1,2})\)?|/(-?\d{2})|–(?:A_)?(\d+)|\.\.\.(A_\d{5}))?", part
        )
        assert match, part
        first, version, variant, also, until, last = match.groups()
        yield first + (version or "")
        if variant:
            yield f"{first}-{variant[1:]:0>2}"
        if also:
            yield first + also if also.startswith("-") else first[: -len(also)] + also
        if until:
            letters, number = first.split("_")
            end = int(number[: -len(until)] + until)
            yield from (f"{letters}_{each}" for each in range(int(number), end + 1))
        if last:
            yield last


def test_ids_are_told_apart():
    names = [name for requirement in REQUIREMENTS for name in requirement.names]
    assert len(names) == len(set(names)) == len(BY_ID)


def test_denials_name_requirements_that_are_known():
    named = {(denial, name) for denial, found in CATALOGUE.items() for name in found.requirements}
    assert named
    assert not [each for each in named if each[1] not in BY_ID and not re.fullmatch(r"R\d\.\d{1,2}", each[1])]


def test_options_name_requirements_that_are_known():
    assert {name for option in OPTIONS for name in ID.findall(option.requirement)} <= set(BY_ID)


def test_the_source_names_requirements_that_are_known():
    """In docstrings and comments, too; some name a requirement without its version."""
    known = set(BY_ID) | {name.partition("-")[0] for name in BY_ID}
    for file in sorted((ROOT / "synapse_tim").rglob("*.py")):
        unknown = set(ID.findall(file.read_text())) - known
        assert not unknown, (file, unknown)


def test_what_is_said_to_be_enforced_says_by_what():
    for each in REQUIREMENTS:
        assert bool(each.where) is each.needs_proof, each.id
        assert each.options or each.status is not Status.SETTING, each.id
        for name in (*each.rules, *each.where):
            assert resolved(name) is not None, (each.id, name)


def test_what_enforces_it_is_found_by_its_id():
    by_docstring = BY_ID["A_25537"]
    assert "synapse_tim.federation.schedule.UnknownDomains" in by_docstring.rules
    assert "synapse_tim.federation.schedule" in by_docstring.where
    by_denial = BY_ID["A_25538"]
    assert (by_denial.denials, by_denial.rules) == (["too_many_invites"], [])
    assert [module.rpartition(".")[0] for module in by_denial.where] == ["synapse_tim.invites"]
    by_option = BY_ID["A_28342"]
    assert by_option.options == ["forget_rooms_on_leave"]
    assert by_option.where == ["synapse_tim.cleanup.module"]


def test_every_denial_is_used():
    assert set(CATALOGUE) <= set(read_package().using)


def test_whatever_does_not_hold_by_itself_is_explained():
    by_itself = (Status.ENFORCED, Status.SETTING, Status.SYNAPSE)
    for each in REQUIREMENTS:
        assert each.title and each.products and each.generations, each.id
        assert each.note or each.status in by_itself, each.id
    assert set(MEANING) == set(Status)


def resolved(name):
    """What a dotted name stands for."""
    module = name
    while True:
        try:
            found = importlib.import_module(module)
            break
        except ModuleNotFoundError:
            module, dot, _ = module.rpartition(".")
            if not dot:
                return None
    for attribute in filter(None, name[len(module) + 1 :].split(".")):
        found = getattr(found, attribute, None)
    return found
