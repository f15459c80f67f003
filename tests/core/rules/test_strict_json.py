"""JSON that everybody reads the same way, or not at all."""

import json
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synapse_tim.core import strict_json
from synapse_tim.core.strict_json import StrictJsonError, parse

DEEP = 100_000


@pytest.mark.parametrize(
    "document",
    [
        b'{"a":1,"a":2}',
        b'{"a":1,"\\u0061":2}',
        b'[{"b":{"a":1,"a":1}}]',
        b"NaN",
        b"[Infinity]",
        b'{"a":-Infinity}',
        b"[" * DEEP + b"]" * DEEP,
        b'{"a":' * DEEP + b"1" + b"}" * DEEP,
        b"1" * 5_000,
        b"-" + b"9" * 5_000,
        b"",
        b"{",
        b"[1,]",
        b'{"a":1}x',
        b"'a'",
        b'"\n"',
        b"\xef\xbb\xbf{}",
        b"\xff",
        b'"\xc3"',
        b'"\xed\xa0\x80"',
        b'"\xc0\x80"',
        '{"a":1}'.encode("utf-16"),
        '{"a":1}'.encode("utf-16-le"),
        '{"a":1}'.encode("utf-32"),
        b'{"a":1}\0',
    ],
    ids=lambda document: repr(document[:24]),
)
def test_what_could_be_read_in_two_ways_is_refused(document):
    with pytest.raises(StrictJsonError):
        parse(document)


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.text()
        | st.floats(allow_nan=False, allow_infinity=False),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    ),
    st.booleans(),
)
def test_any_other_document_is_read_as_it_is(value, ascii_only):
    try:
        document = json.dumps(value, ensure_ascii=ascii_only).encode()
    except UnicodeEncodeError:  # a lone surrogate has no UTF-8
        return
    assert parse(document) == value
    assert parse(bytearray(document)) == value


@given(st.binary(max_size=200))
def test_any_octets_are_read_or_refused_with_one_kind_of_error(octets):
    try:
        found = parse(octets)
    except StrictJsonError:
        return
    assert found == json.loads(octets.decode())


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1 << 20])
def test_characters_across_slices_are_read(monkeypatch, size):
    monkeypatch.setattr(strict_json, "_SLICE", size)
    value = {"domain": "ä€😀", "list": ["é"] * 10}
    assert parse(json.dumps(value, ensure_ascii=False).encode()) == value


@pytest.mark.parametrize("size", [1, 2, 3])
def test_a_character_cut_off_at_the_end_of_a_slice_is_refused(monkeypatch, size):
    monkeypatch.setattr(strict_json, "_SLICE", size)
    with pytest.raises(StrictJsonError, match="UTF-8"):
        parse('"€'.encode()[:-1])


def test_objects_are_handed_over_innermost_first():
    seen = []

    def note(pairs):
        seen.append(dict(pairs))
        return len(seen)

    assert parse(b'{"a":{"b":1},"c":2}', note) == 2
    assert seen == [{"b": 1}, {"a": 1, "c": 2}]


def test_the_limit_of_digits_is_the_interpreters():
    """What is tested above rests on it; an interpreter started with another limit reads more."""
    assert 0 < sys.get_int_max_str_digits() < 5_000
