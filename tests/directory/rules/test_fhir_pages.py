"""R6.1: what is a page of a search, and what is refused before anybody looks into it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synapse_tim.directory import fhir_search
from synapse_tim.directory.failures import DirectoryError, DirectoryFailure
from synapse_tim.directory.fhir_search import read_page


def bundle(**changes):
    return {"resourceType": "Bundle", "type": "searchset", "total": 1, **changes}


def read(document):
    return read_page(json.dumps(document).encode())


def refusal(octets):
    with pytest.raises(DirectoryError) as caught:
        read_page(octets)
    return caught.value.reason


def nested(depth):
    value = {}
    for n in range(depth):
        value = [value] if n % 2 else {"a": value}
    return value


def test_nothing_found_is_a_page_without_entries():
    assert read(bundle(total=0)).resources == ()
    assert read(bundle(entry=[], link=[{"relation": "self", "url": "x"}])).next_link is None


def test_entries_without_a_resource_are_skipped_and_counted():
    page = read(bundle(entry=[{"resource": {"a": 1}}, {"resource": []}, {}, 7, None, {"resource": {"b": 2}}]))
    assert page.resources == ({"a": 1}, {"b": 2})
    assert page.skipped == 4


@pytest.mark.parametrize("total", [0, 4711, -1, "many", None])
def test_the_total_does_not_matter(total):
    assert len(read(bundle(total=total, entry=[{"resource": {}}])).resources) == 1


def test_the_next_link_is_found_among_others():
    links = [{"relation": "self", "url": "a"}, {"relation": "next", "url": "b"}, {"relation": "last"}]
    assert read(bundle(link=links)).next_link == "b"


@pytest.mark.parametrize(
    "document",
    [
        [],
        {},
        7,
        "Bundle",
        None,
        bundle(resourceType="OperationOutcome"),
        bundle(type="batch"),
        bundle(entry={}),
        bundle(entry="x"),
        bundle(link="x"),
        bundle(link=[1]),
        bundle(link=[{"relation": "next"}]),
        bundle(link=[{"relation": "next", "url": ""}]),
        bundle(link=[{"relation": "next", "url": 7}]),
        bundle(link=[{"relation": "next", "url": "x" * 5000}]),
        bundle(link=[{"relation": "next", "url": "a"}, {"relation": "next", "url": "b"}]),
        bundle(entry=[{"resource": nested(45)}]),
    ],
)
def test_what_is_no_page_is_refused(document):
    assert refusal(json.dumps(document).encode()) is DirectoryFailure.ANSWER_MALFORMED


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"<html>",
        b"\xff",
        b'{"resourceType": "Bundle", "type": "searchset", "type": "searchset"}',
        b'{"resourceType": "Bundle", "type": "searchset", "total": NaN}',
        b"[" * 500_000,
        b'{"a":' * 100_000,
        b'{"total": ' + b"9" * 5000 + b"}",
    ],
)
def test_what_everybody_may_read_in_another_way_is_refused(octets):
    assert refusal(octets) is DirectoryFailure.ANSWER_MALFORMED


def test_as_deep_as_resources_are_is_not_too_deep():
    assert read(bundle(entry=[{"resource": nested(31)}])).skipped == 0


def test_a_page_has_a_hundred_entries_at_most():
    entries = [{"resource": {}}] * 100
    assert len(read(bundle(entry=entries)).resources) == 100
    assert refusal(json.dumps(bundle(entry=[*entries, {}])).encode()) is DirectoryFailure.TOO_LARGE


def test_a_page_has_a_mebibyte_at_most():
    octets = json.dumps(bundle()).encode()
    assert read_page(octets.ljust(fhir_search.MAX_BYTES)).resources == ()
    assert refusal(octets.ljust(fhir_search.MAX_BYTES + 1)) is DirectoryFailure.TOO_LARGE


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda below: (
        st.lists(below, max_size=3)
        | st.dictionaries(st.sampled_from(["resource", "relation", "url", "x"]), below, max_size=3)
    ),
    max_leaves=10,
)


@given(st.fixed_dictionaries({}, optional={"entry": JSON, "link": JSON, "total": JSON, "type": JSON}))
def test_whatever_comes_is_a_page_or_refused(changes):
    try:
        page = read(bundle(**changes))
    except DirectoryError:
        return
    assert all(isinstance(each, dict) for each in page.resources)
