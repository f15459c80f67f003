"""R1.1 against a reading that is as simple as can be, and against anything at all."""

import json
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from synapse_tim.core.server_name import normalise
from synapse_tim.federation import list as federation_list
from synapse_tim.federation.list import parse_payload
from synapse_tim.federation.refusals import ListRefusedError
from tests.support.helpers import document, entry

NAMES = st.one_of(
    st.sampled_from(
        ["a.example", "b.example", "B.example", "c.example:8448", "bad name", "", "a.example\nb"]
    ),
    st.from_regex(r"[a-zA-Z0-9]{1,5}(\.[a-z]{1,3})?", fullmatch=True),
)
CODES = st.sampled_from(["109500969", 101575519, "101575519", "bad", -1, None, True])
ODD = st.none() | st.booleans() | st.integers(0, 2) | st.text(max_size=3)


@st.composite
def rows(draw, depth=1):
    row = {
        "domain": draw(st.one_of(NAMES, NAMES, ODD)),
        "telematikID": draw(st.one_of(st.just("1-x"), st.just("1-y"), ODD)),
        "isInsurance": draw(st.one_of(st.booleans(), st.booleans(), ODD)),
        "ik": draw(st.one_of(st.lists(CODES, max_size=2), CODES)),
        "iks": draw(st.lists(CODES, max_size=1)),
        "timAnbieter": draw(st.none() | st.text(max_size=5)),
    }
    if depth:
        row["redirectDomains"] = draw(st.lists(rows(depth=0) | NAMES, max_size=2))
        row["domainList"] = draw(st.lists(rows(depth=0), max_size=2))
    for member in draw(st.sets(st.sampled_from(sorted(row)), max_size=6)):
        del row[member]
    return row


def naive(listed):
    """The rules once more, one after the other, without any haste."""
    domains, iks = {}, {}
    for row in listed:
        name = normalise(row["domain"]) if isinstance(row.get("domain"), str) else None
        insurance = row.get("isInsurance", False)
        if name is None or not isinstance(insurance, bool) or not isinstance(row.get("telematikID"), str):
            continue
        domains[name] = domains.get(name, False) or insurance
        if not insurance:
            continue
        for member in ("ik", "iks", "ikNumbers"):
            value = row.get(member)
            for code in value if isinstance(value, list) else [value]:
                text = str(code) if isinstance(code, str | int) and not isinstance(code, bool) else ""
                if len(text) == 9 and text.isdecimal() and text.isascii():
                    iks.setdefault(text, name)
    return domains, iks


@pytest.mark.parametrize("batch", [1, 3, 1_000])
@given(st.lists(rows(), max_size=8), st.none() | NAMES)
@example([entry("a.example", domainList=[]), entry("b.example", nested=entry("evil.example"))], None)
def test_a_list_is_read_as_the_rules_say(batch, listed, beside):
    extra = {} if beside is None else {"domain": beside, "telematikID": "1-z"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(federation_list, "_BATCH", batch)
        patch.setattr(federation_list, "_PIECE", batch)
        found = parse_payload(document(*listed, **extra))
    domains, iks = naive(listed)
    assert dict(found.domains) == domains
    assert dict(found.ik_to_domain) == iks
    assert found.insurance_domains == {name for name, insurer in domains.items() if insurer}
    assert found.says_the_same_as(parse_payload(document(*listed, version=8)))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | NAMES,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["version", "domainList", "domain", "telematikID", "isInsurance", "ik", "iat", "exp"]
            ),
            inner,
        )
    ),
)


@given(JSON | st.fixed_dictionaries({"version": JSON, "domainList": st.lists(JSON)}))
def test_any_json_is_read_or_refused(value):
    try:
        octets = json.dumps(value).encode()
        found = parse_payload(octets)
    except ListRefusedError:
        return
    assert isinstance(value, dict)
    assert found.version == value["version"]
    assert dict(found.domains) == naive(value["domainList"])[0]


#: What could be taken for the end of an entry, for a member, or for the array, and is something else.
SPLICES = st.sampled_from(
    [
        "},{",
        "}",
        "{",
        "]",
        "[",
        ",",
        '"',
        ":",
        " :",
        '":',
        "\\",
        '\\"',
        " ",
        "null",
        "{}",
        "[]",
        "NaN",
        "1",
        "ä",
        '"domainList":[',
        '"domainList":[],',
        '"domain":"b.example",',
        '"a":{"b":1},',
        '"isInsurance":true,',
        '"domain" :"b.example",',
        '{"domain":"b.example","telematikID":"1-z"},',
        '"hashAlgorithm":"x",',
    ]
)


def read_or_reason(octets):
    try:
        found = parse_payload(octets)
    except ListRefusedError as error:
        return str(error)
    return dict(found.domains), dict(found.ik_to_domain), found.version, found.skipped, found.issued_at


@given(st.lists(rows(), max_size=3), st.booleans(), st.integers(1, 60), st.data())
def test_pieces_say_what_the_whole_says(listed, compact, piece, data):
    listed = [entry("first.example"), *listed, entry("last.example", True, ik=["109500969"])]
    separators = (",", ":") if compact else None
    value = {"version": 1, "domainList": listed, "more": [1]}
    text = json.dumps(value, separators=separators, ensure_ascii=False)
    for _ in range(data.draw(st.integers(0, 2))):
        at = data.draw(st.integers(0, len(text)))
        text = text[:at] + data.draw(SPLICES) + text[at + data.draw(st.integers(0, 12)) :]
    octets = bytearray(text.encode("utf-8", "surrogatepass"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(federation_list, "_PIECE", piece)
        in_pieces = read_or_reason(octets)
        patch.setattr(federation_list, "_ARRAY", re.compile(b"never"))
        assert in_pieces == read_or_reason(octets)


@pytest.mark.parametrize(
    "rows_of_text",
    [
        '{"domain":"a.example","telematikID":"1-x","isInsurance":false,"domain":"b.example"}',
        '{"domain":"a.example","telematikID":"1-x","isInsurance":false,"domain" :"b.example"}',
        '{"domain":"a.example","telematikID":"1-x","isInsurance":false,"x":{"y":1,"y":2}}',
        '{"domain":"a.example","telematikID":"1-x","isInsurance":false,"d\\u006fmain":"b.example"}',
        '{"domain":"a.example","telematikID":":x","isInsurance":false,"telematikID":"1-x"}',
    ],
)
def test_a_member_that_occurs_twice_is_refused(rows_of_text):
    for beside in ("", ',{"domain":":b","telematikID":"1-x","isInsurance":false}'):
        with pytest.raises(ListRefusedError, match="twice"):
            parse_payload(f'{{"version":1,"domainList":[{rows_of_text}{beside}]}}'.encode())


@given(st.binary(max_size=300))
def test_any_octets_are_refused(octets):
    with pytest.raises(ListRefusedError):
        parse_payload(octets)


@given(st.data())
def test_a_damaged_list_is_read_or_refused(data):
    octets = bytearray(document(entry("a.example"), entry("i.example", True, ik=["109500969"])))
    for _ in range(data.draw(st.integers(1, 3))):
        octets[data.draw(st.integers(0, len(octets) - 1))] = data.draw(st.integers(0, 255))
    try:
        found = parse_payload(octets)
    except ListRefusedError:
        return
    top = json.loads(octets)
    assert dict(found.domains) == naive(top["domainList"])[0]
