"""R5.10: reports of clients, how often they come, and under which names they are counted."""

import contextlib
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synapse_tim.core.rate_limit import RequestRate
from synapse_tim.information.client_report import (
    MAX_ENTRIES,
    MAX_EVENTS,
    MAX_LENGTH,
    MAX_OCTETS,
    OTHER,
    Label,
    ReportError,
    parse_report,
    within,
)

START = "2026-03-23T12:13:23.183Z"


def entry(procedure="de.gematik.questionnaire.generic", version="v1", number=1, **more):
    return {"Fachverfahren": procedure, "Version": version, "Anzahl": number, **more}


def report(**members):
    return parse_report(json.dumps({"start": START, **members}).encode())


def test_r5_10_the_example_of_the_interface():
    counted = report(sent=[entry(number=8)], received=[entry("de.gematik.x", "1.0.0")])
    assert counted == {
        Label("sent", "de.gematik.questionnaire.generic", "v1"): 8,
        Label("received", "de.gematik.x", "1.0.0"): 1,
    }
    assert report() == {}


def test_r5_10_entries_of_the_same_name_are_added_and_nothing_is_not_counted():
    sent = [entry(number=1), entry(number=2), entry("de.x.y", number=0)]
    assert report(sent=sent) == {Label("sent", "de.gematik.questionnaire.generic", "v1"): 3}


@pytest.mark.parametrize(
    "start",
    [
        "2026-03-23T12:13:23.183Z",
        "2026-03-23T12:13:23Z",
        "2026-03-23T12:13Z",
        "2026-03-23T12:13:23.123456789Z",
        "2026-03-23T12:13:23,5+01:00",
        "2026-03-23T12:13:23-0330",
        "2026-03-23T12:13:23+01",
        "2016-12-31T23:59:60Z",
        "0001-01-01T00:00:00Z",
        "9999-12-31T23:59:59-14:00",
    ],
)
def test_r5_10_moments_with_a_time_zone(start):
    assert report(start=start) == {}


@pytest.mark.parametrize(
    "start",
    [
        None,
        1,
        "",
        "now",
        "2026-03-23",
        "2026-03-23T12:13:23",
        "2026-03-23 12:13:23Z",
        "2026-02-30T12:13:23Z",
        "2026-03-23T24:13:23Z",
        "2026-03-23T12:60:00Z",
        "2026-03-23T12:13:61Z",
        "2026-03-23T12:13:23+25:00",
        "0000-03-23T12:13:23Z",
        "２０２６-03-23T12:13:23Z",
        "2026-03-23T12:13:23Z\n",
        "2026-03-23T12:13:23Z" + "0" * 1000,
    ],
)
def test_r5_10_no_moments(start):
    with pytest.raises(ReportError, match="'start'"):
        report(start=start)


@pytest.mark.parametrize(
    ("members", "says"),
    [
        ({"sent": []}, "'sent' has to be an array"),
        ({"received": {}}, "'received' has to be an array"),
        ({"sent": None}, "'sent' has to be an array"),
        ({"sent": [1]}, r"sent\[0\] has to be an object"),
        ({"sent": [entry(), entry("", "v1")]}, r"sent\[1\]\.Fachverfahren"),
        ({"sent": [entry(None)]}, r"sent\[0\]\.Fachverfahren"),
        ({"sent": [entry("x" * (MAX_LENGTH + 1))]}, r"sent\[0\]\.Fachverfahren"),
        ({"sent": [entry("x\0")]}, r"sent\[0\]\.Fachverfahren"),
        ({"sent": [entry("de.x", "\ud800")]}, r"sent\[0\]\.Version"),
        ({"sent": [entry("de.x", 1)]}, r"sent\[0\]\.Version"),
        ({"sent": [entry(number=True)]}, r"sent\[0\]\.Anzahl"),
        ({"sent": [entry(number=-1)]}, r"sent\[0\]\.Anzahl"),
        ({"sent": [entry(number=1.0)]}, r"sent\[0\]\.Anzahl"),
        ({"sent": [entry(number=MAX_EVENTS + 1)]}, r"sent\[0\]\.Anzahl"),
        ({"sent": [entry(), entry()]}, r"sent\[1\] is there twice"),
        ({"sent": [entry(x=[1]), entry(x=[1])]}, r"sent\[1\] is there twice"),
        ({"received": [entry(version=f"v{n}") for n in range(MAX_ENTRIES + 1)]}, "more than 64 entries"),
    ],
)
def test_r5_10_what_does_not_follow_the_schema_is_refused(members, says):
    with pytest.raises(ReportError, match=says):
        report(**members)


def test_r5_10_entries_that_differ_in_anything_are_two():
    assert sum(report(sent=[entry(x=1), entry(x=2), entry(x=True)]).values()) == 3


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"x",
        b"[]",
        b"null",
        b"\xff",
        b'{"start":1,"start":1}',
        b"[" * 60_000,
        b'{"x":' * 9000,
        b" " * (MAX_OCTETS + 1),
    ],
    ids=lambda body: str(body[:10]),
)
def test_r5_10_what_is_no_object_is_refused(body):
    with pytest.raises(ReportError):
        parse_report(body)


@pytest.mark.parametrize("depth", [10, 400, 900, 1500, 5000])
def test_r5_10_deep_entries_are_an_error_of_the_client_or_none(depth):
    deep = b"[" * depth + b"]" * depth
    body = (
        b'{"start":"2026-03-23T12:13Z","sent":[{"Fachverfahren":"de.x","Version":"1","Anzahl":1,"x":%b}]}'
        % deep
    )
    with contextlib.suppress(ReportError):
        assert parse_report(body) == {Label("sent", "de.x", "1"): 1}


# Names ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("procedure", "version"),
    [
        ("de.gematik.questionnaire.generic", "v1"),
        ("de.gematik.x_y-z2", "1.0.0-rc.1"),
        ("com.Example.A", "2026-03"),
    ],
)
def test_usual_names_are_kept(procedure, version):
    assert report(sent=[entry(procedure, version)]) == {Label("sent", procedure, version): 1}


@pytest.mark.parametrize(
    ("procedure", "version"),
    [
        ("@user:clinic.example", "v1"),
        ("user", "v1"),
        ("Irma Insured", "v1"),
        ("X123456789", "v1"),
        ("de.gematik.X123456789", "v1"),
        ("de.gematik.x", "X123456789"),
        ("de.gematik.x", "@user:clinic.example"),
        ("de.gematik.x", "v" * 33),
        ("de.gematik.x", "v1\n"),
        ("de.gematik.ä", "v1"),
        ("de..x", "v1"),
    ],
)
def test_a_22817_names_that_could_be_somebodys_are_counted_as_other(procedure, version):
    assert report(sent=[entry(procedure, version)]) == {Label("sent", OTHER, OTHER): 1}


def test_only_known_procedures_are_kept_if_there_are_any():
    body = json.dumps({"start": START, "sent": [entry("de.x.a"), entry("Umfrage"), entry("de.x.b")]}).encode()
    assert parse_report(body, {"de.x.a", "Umfrage"}) == {
        Label("sent", "de.x.a", "v1"): 1,
        Label("sent", "Umfrage", "v1"): 1,
        Label("sent", OTHER, OTHER): 1,
    }
    assert parse_report(body, ()) == {Label("sent", OTHER, OTHER): 3}


def test_there_are_no_more_labels_than_the_limit():
    a, b, c = (Label("sent", f"de.{name}", "1") for name in "abc")
    other = Label("sent", OTHER, OTHER)
    assert within([a, b, c], (), 2) == {a: a, b: b, c: other}
    assert within([c], [a, b], 2) == {c: other}
    assert within([a, c], [a, b, other], 2) == {a: a, c: other}
    assert within([other, b], [a, other], 2) == {other: other, b: b}
    assert within([Label("received", "de.c", "1")], [a, b], 2) == {
        Label("received", "de.c", "1"): Label("received", OTHER, OTHER)
    }


_TEXTS = st.one_of(st.text(max_size=140), st.sampled_from(["de.x.y", "v1", ""]))
_ENTRIES = st.lists(
    st.one_of(
        st.fixed_dictionaries({"Fachverfahren": _TEXTS, "Version": _TEXTS, "Anzahl": st.integers(-1, 2**70)}),
        st.none(),
    ),
    max_size=4,
)


@settings(max_examples=200)
@given(st.fixed_dictionaries({"start": st.just(START), "sent": _ENTRIES, "received": _ENTRIES}))
def test_every_report_is_counted_in_full_or_refused(document):
    try:
        counted = parse_report(json.dumps(document).encode())
    except ReportError:
        return
    written = [each["Anzahl"] for way in ("sent", "received") for each in document[way]]
    assert sum(counted.values()) == sum(written)


@given(st.binary(max_size=200))
def test_no_body_ends_in_another_error(body):
    with pytest.raises(ReportError):
        parse_report(body)


# How often ------------------------------------------------------------------------------------------------


def test_a_burst_and_then_one_in_each_interval():
    rate = RequestRate(interval=60, burst=3)
    assert [rate.allows(b"a", 0) for _ in range(4)] == [True, True, True, False]
    assert rate.allows(b"b", 0)
    assert not rate.allows(b"a", 59.9)
    assert rate.allows(b"a", 60)
    assert not rate.allows(b"a", 60)
    assert [rate.allows(b"a", 1000) for _ in range(4)] == [True, True, True, False]


def test_who_has_paid_is_forgotten():
    rate = RequestRate(interval=60, burst=3)
    for n in range(100):
        rate.allows(str(n).encode(), 0)
    assert len(rate) == 100
    assert rate.allows(b"new", 61)
    assert len(rate) == 1


def test_memory_is_bounded():
    rate = RequestRate(interval=60, burst=1, capacity=10)
    for n in range(100):
        assert rate.allows(str(n).encode(), 0)
    assert len(rate) == 10
    assert not rate.allows(b"99", 0)
