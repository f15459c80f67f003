"""Tests on real servers per requirement, read from the tests' source without running it.

A test names its requirements in its own name (``test_a_28271_…``, ``test_af_10064_02_…``, several after each
other), or by ``@pytest.mark.requirement("A_28271")``. It counts if it starts real servers, which
``pytest.mark.servers`` or ``workers`` says of it, its class or its module, and if nothing says that it is
always skipped or expected to fail.

A wheel contains what was found when it was built, as ``evidence.json``; a checkout has the tests themselves.
``hatch_build.py`` runs this file by itself, so it imports nothing but the standard library.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

#: The tests of each requirement, as pytest names them, by the id that they name.
Evidence = Mapping[str, Sequence[str]]

_MARKER: Final = "requirement"
_SERVERS: Final = frozenset({"servers", "workers"})
_NEVER: Final = frozenset({"skip", "xfail"})
_NAME: Final = re.compile(r"test_((?:af?_[0-9]{5}(?:_[0-9]{2})?_)+)")
_ID: Final = re.compile(r"(af?_[0-9]{5})(?:_([0-9]{2}))?_")


class EvidenceError(ValueError):
    """The tests cannot be read as evidence; says why."""


class FoundTest(NamedTuple):
    """A test."""

    name: str  #: as pytest names it
    ids: tuple[str, ...]  #: the requirements that it names
    counts: bool  #: whether it runs against real servers


def packaged() -> Evidence:
    """What was found in the tests of this version.

    Raises:
        EvidenceError: it was not installed from a wheel, and there are no tests beside it either.
    """
    file = Path(__file__).with_name("evidence.json")
    if not file.exists():
        return collect(file.parents[2] / "tests")
    found: dict[str, list[str]] = json.loads(file.read_text("utf-8"))
    return found


def collect(directory: Path, known: Container[str] | None = None) -> Evidence:
    """What is found in a checkout's tests.

    Args:
        directory: with the tests.
        known: ids that tests may name; ``None`` for any.

    Raises:
        EvidenceError: there are no tests, or one names a requirement that is not known.
    """
    found: dict[str, list[str]] = {}
    for test in all_tests(directory):
        for name in test.ids:
            if known is not None and name not in known:
                raise EvidenceError(f"{test.name} names {name}, which is not in requirements.yaml")
            if test.counts:
                found.setdefault(name, []).append(test.name)
    return {name: sorted(set(found[name])) for name in sorted(found)}


def to_json(evidence: Evidence) -> str:
    """The content of ``evidence.json``: a line for each test."""
    return json.dumps(evidence, indent=1) + "\n"


def all_tests(directory: Path) -> Iterator[FoundTest]:
    """All tests below a directory.

    Args:
        directory: the name of its last part is the first of the tests' names.

    Raises:
        EvidenceError: there are none, or one cannot be read.
    """
    files = sorted(directory.rglob("test_*.py"))
    if not files:
        raise EvidenceError(f"there are no tests in {directory}")
    root = directory.resolve().parent
    for file in files:
        name = file.resolve().relative_to(root).as_posix()
        try:
            tree = ast.parse(file.read_bytes(), name)
        except (SyntaxError, ValueError) as error:
            raise EvidenceError(f"{name} cannot be read: {error}") from None
        yield from _tests(tree.body, name, _marks_of(tree.body, name))


class _Marks(NamedTuple):
    """The markers of a test, a class or a module."""

    names: frozenset[str] = frozenset()
    ids: tuple[str, ...] = ()

    def with_more(self, more: _Marks) -> _Marks:
        return _Marks(self.names | more.names, (*self.ids, *more.ids))


def _tests(body: Iterable[ast.stmt], prefix: str, outer: _Marks) -> Iterator[FoundTest]:
    for statement in body:
        if isinstance(statement, ast.ClassDef) and statement.name.startswith("Test"):
            name = f"{prefix}::{statement.name}"
            own = _read(statement.decorator_list, name).with_more(_marks_of(statement.body, name))
            yield from _tests(statement.body, name, outer.with_more(own))
        elif isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
            if not statement.name.startswith("test_"):
                continue
            name = f"{prefix}::{statement.name}"
            marks = outer.with_more(_read(statement.decorator_list, name))
            ids = dict.fromkeys((*_ids_in_name(statement.name), *marks.ids))
            yield FoundTest(name, tuple(ids), bool(marks.names & _SERVERS) and not marks.names & _NEVER)


def _ids_in_name(name: str) -> Iterator[str]:
    match = _NAME.match(name)
    if match:
        for letters, version in _ID.findall(match[1]):
            yield letters.upper() + (f"-{version}" if version else "")


def _marks_of(body: Iterable[ast.stmt], where: str) -> _Marks:
    """What ``pytestmark`` says in a module or a class."""
    marks = _Marks()
    for statement in body:
        if isinstance(statement, ast.Assign) and any(
            isinstance(target, ast.Name) and target.id == "pytestmark" for target in statement.targets
        ):
            value = statement.value
            several = value.elts if isinstance(value, ast.List | ast.Tuple) else [value]
            marks = marks.with_more(_read(several, where))
    return marks


def _read(expressions: Iterable[ast.expr], where: str) -> _Marks:
    marks = _Marks()
    for expression in expressions:
        call = expression if isinstance(expression, ast.Call) else None
        target = call.func if call else expression
        if not isinstance(target, ast.Attribute) or not ast.unparse(target.value).endswith("mark"):
            continue
        ids: tuple[str, ...] = ()
        if target.attr == _MARKER:
            ids = tuple(
                argument.value
                for argument in (call.args if call else ())
                if isinstance(argument, ast.Constant) and isinstance(argument.value, str)
            )
            if not ids or call is None or len(ids) != len(call.args):
                raise EvidenceError(f"{where}: pytest.mark.requirement wants ids as literal texts")
        marks = marks.with_more(_Marks(frozenset({target.attr}), ids))
    return marks
