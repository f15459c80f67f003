"""What ``synapse-tim check`` prints: tables for people, JSON, GitHub's annotations, JUnit's XML."""

from __future__ import annotations

import importlib.resources
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

import attrs

from synapse_tim.admin.output import print_facts, print_json, print_table
from synapse_tim.core.checks import Result, Verdict

if TYPE_CHECKING:
    from synapse_tim.check.facts import Homeserver

ORDER: Final = (Verdict.VIOLATION, Verdict.WARNING, Verdict.OK, Verdict.NOT_APPLICABLE)
_PROBLEMS: Final = (Verdict.VIOLATION, Verdict.WARNING)
_LISTED_AS: Final = {None: "not listed", True: "epa", False: "pro"}
_COLUMNS: Final = ("requirement", "verdict", "key", "found", "wanted", "because")


@attrs.frozen(eq=False)
class Checked:
    """One homeserver, and what was found."""

    name: str  #: of the file or directory that it was named by
    homeserver: Homeserver | None  #: its facts; ``None`` if its files cannot be read
    results: Sequence[Result] = ()  #: the lines, problems first, fit to be printed
    error: str = ""  #: why its files cannot be read

    @property
    def counts(self) -> Counter[Verdict]:
        """How many lines there are of each verdict."""
        return Counter(each.verdict for each in self.results)

    def fails(self, *, strict: bool) -> bool:
        """Whether something is violated, or strictly, there is a warning."""
        return bool(self.counts[Verdict.VIOLATION] or (strict and self.counts[Verdict.WARNING]))


@attrs.frozen
class Form:
    """How it is to be printed."""

    each: bool  #: whether there may be several homeservers
    everything: bool  #: whether people see what is right as well
    strict: bool  #: whether warnings count


def one_line(text: str) -> str:
    """Without what moves a terminal's cursor: a file may hold anything."""
    return "".join(each if each.isprintable() else "�" for each in text)


def print_schema() -> None:
    """Print the JSON schema of the output in JSON."""
    text = importlib.resources.files("synapse_tim").joinpath("check", "output.schema.json").read_text("utf-8")
    print(text, end="")


def print_text(checked: Sequence[Checked], form: Form) -> None:
    """Print tables, and a line that counts."""
    for one in checked:
        if one.homeserver is None:
            continue
        rows = _rows(one, everything=form.everything)
        if rows:
            print_table(_COLUMNS, rows, title=one.name if form.each else None)
        if one.homeserver.online is not None:
            _print_online(one.homeserver)
    if form.each:
        print_table(
            ("homeserver", *(_words(verdict) for verdict in ORDER), "unreadable"),
            ([one.name, *(str(one.counts[verdict]) for verdict in ORDER), one.error] for one in checked),
        )
    total = _total(checked)
    counted = ", ".join(f"{total[verdict]} {_words(verdict)}" for verdict in ORDER)
    if form.each:
        wrong = sum(one.fails(strict=form.strict) for one in checked)
        unread = sum(one.homeserver is None for one in checked)
        counted += f"; {len(checked)} homeservers, {wrong} with problems, {unread} unreadable"
    print(counted)


def print_as_json(checked: Sequence[Checked], form: Form) -> None:
    """Print one object: of the homeserver, or of all of them."""
    if not form.each:
        print_json(_document(checked[0]))
        return
    total = _total(checked)
    summary = {
        "homeservers": len(checked),
        "with_problems": sum(one.fails(strict=form.strict) for one in checked),
        "unreadable": sum(one.homeserver is None for one in checked),
        **{verdict.value: total[verdict] for verdict in ORDER},
    }
    servers = [{"name": one.name, **_document(one)} for one in checked]
    print_json({"homeservers": servers, "summary": summary})


def print_github(checked: Sequence[Checked], form: Form) -> None:
    """Print a workflow command for each problem, and a line that counts."""
    for one in checked:
        if one.homeserver is None:
            print(_command("error", one.name, "unreadable", one.error))
        for each in one.results:
            if each.verdict in _PROBLEMS:
                kind = "error" if each.verdict is Verdict.VIOLATION or form.strict else "warning"
                print(_command(kind, one.name, each.requirement, _sentence(each)))
    total = _total(checked)
    print(", ".join(f"{total[verdict]} {_words(verdict)}" for verdict in ORDER))


def print_junit(checked: Sequence[Checked], form: Form) -> None:
    """Print a suite for each homeserver, with a case for each line."""
    suites = ET.Element("testsuites", name="synapse-tim check")
    for one in checked:
        cases = []
        for each in one.results:
            case = ET.Element("testcase", classname=one.name, name=f"{each.check} {each.process}: {each.key}")
            if each.verdict is Verdict.VIOLATION or (each.verdict is Verdict.WARNING and form.strict):
                ET.SubElement(case, "failure", type=each.requirement, message=_sentence(each))
            elif each.verdict is Verdict.WARNING:
                ET.SubElement(case, "system-out").text = f"warning: {_sentence(each)}"
            elif each.verdict is Verdict.NOT_APPLICABLE:
                ET.SubElement(case, "skipped")
            cases.append(case)
        if one.homeserver is None:
            case = ET.Element("testcase", classname=one.name, name="readable")
            ET.SubElement(case, "error", message=one.error)
            cases.append(case)
        counted = {
            kind: str(sum(case.find(kind[:-1] if kind != "skipped" else kind) is not None for case in cases))
            for kind in ("failures", "errors", "skipped")
        }
        suite = ET.SubElement(suites, "testsuite", {"name": one.name, "tests": str(len(cases)), **counted})
        suite.extend(cases)
    ET.indent(suites)
    print('<?xml version="1.0" encoding="UTF-8"?>')
    print(ET.tostring(suites, encoding="unicode"))


FORMATS: Final[Mapping[str, Callable[[Sequence[Checked], Form], None]]] = {
    "text": print_text,
    "json": print_as_json,
    "github": print_github,
    "junit": print_junit,
}


def in_order(results: Iterable[Result]) -> list[Result]:
    """Problems first."""
    return sorted(results, key=lambda each: ORDER.index(each.verdict))


def _words(verdict: Verdict) -> str:
    return verdict.value.replace("_", " ")


def _total(checked: Iterable[Checked]) -> Counter[Verdict]:
    total: Counter[Verdict] = Counter()
    for one in checked:
        total += one.counts
    return total


def _rows(one: Checked, *, everything: bool) -> list[tuple[str, ...]]:
    several = len({each.process for each in one.results}) > 1
    return [
        (
            each.requirement,
            _words(each.verdict),
            f"{each.process}: {each.key}" if several else each.key,
            each.found,
            each.wanted,
            each.reason,
        )
        for each in one.results
        if everything or each.verdict in _PROBLEMS
    ]


def _document(one: Checked) -> dict[str, object]:
    if one.homeserver is None:
        return {"error": one.error}
    document: dict[str, object] = {
        "product": one.homeserver.product,
        "spec_version": one.homeserver.spec_version,
        "processes": [one_line(process.name) for process in one.homeserver.processes],
        "results": [attrs.asdict(each) for each in one.results],
        "summary": {verdict.value: one.counts[verdict] for verdict in ORDER},
    }
    if one.homeserver.online is not None:
        document["online"] = dict(_online(one.homeserver))
    return document


def _online(homeserver: Homeserver) -> Iterable[tuple[str, object]]:
    """What was found out over the network, by name."""
    online = homeserver.online
    if online is None:
        return
    fetched = online.fetched
    if fetched is not None:
        yield "version", fetched.version
        yield "domains", fetched.domains
        yield "insurance_domains", fetched.insurance_domains
        yield "own_domain", homeserver.server_name
        yield "own_domain_listed_as", _LISTED_AS[fetched.insurer] if fetched.refusal is None else None
        yield "signer", fetched.signer
        expiry = fetched.signer_not_after
        yield "signer_not_after", expiry and expiry.isoformat().replace("+00:00", "Z")
        yield "refusal", fetched.refusal
    endpoints = (attrs.evolve(each, detail=one_line(each.detail)) for each in online.endpoints)
    yield "endpoints", [attrs.asdict(each) for each in endpoints]


def _print_online(homeserver: Homeserver) -> None:
    facts = dict(_online(homeserver))
    facts.pop("endpoints")
    shown = [(name.replace("_", " "), value) for name, value in facts.items() if value is not None]
    endpoints = homeserver.online.endpoints if homeserver.online is not None else ()
    print_facts([*shown, *((each.url, one_line(each.detail)) for each in endpoints)])


def _sentence(each: Result) -> str:
    return f"{each.process}: {each.key}: found {each.found or 'nothing'}; wanted {each.wanted}: {each.reason}"


def _command(kind: str, file: str, title: str, message: str) -> str:
    """A workflow command of GitHub Actions; what has a meaning there is written as it wants it."""

    def data(text: str) -> str:
        return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")

    def value(text: str) -> str:
        return data(text).replace(":", "%3A").replace(",", "%2C")

    return f"::{kind} file={value(file)},title={value(title)}::{data(message)}"
