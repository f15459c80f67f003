"""``POST /tim-client-report/report``: counts of events, and nobody's name."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from synapse_tim.information.client_report import MAX_ENTRIES, MAX_EVENTS, MAX_OCTETS
from synapse_tim.information.client_report_resource import BURST
from synapse_tim.information.client_report_store import MAX_ROWS
from synapse_tim.testing import loopback
from tests.information.e2e.world import (
    REPORT,
    START,
    entry,
    events,
    lines_of_ours,
    open_id_token,
    rows,
    send,
)
from tests.support.world import log_out

pytestmark = pytest.mark.servers


@pytest.fixture
def user(world):
    """A new one for each test: there is a limit for each."""
    return world.user()


def post(user, body=None, **more):
    return user.request("POST", REPORT, {"start": START, **more} if body is None else body)


def raw(user, content):
    return user.request("POST", REPORT, content=content, headers={"Content-Type": "application/json"})


def code(response):
    return response.status_code, response.json().get("errcode")


def test_r5_10_what_clients_report_is_counted_by_day(world, user):
    procedure = "de.gematik.counted"
    body = {
        "sent": [entry(procedure, "v1", 8), entry(procedure, "v2", 0)],
        "received": [entry(procedure, "v1", 1)],
    }
    answer = post(user, **body)
    assert (answer.status_code, answer.json()) == (200, {})
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert post(world.user(), **body).status_code == 200
    assert events(world.clinic, "sent", procedure, "v1") == 16
    assert events(world.clinic, "received", procedure, "v1") == 2
    stored = [row for row in rows(world.clinic) if row[2] == procedure]
    assert sorted(row[1:] for row in stored) == [
        ("received", procedure, "v1", 2),
        ("sent", procedure, "v1", 16),
    ]
    assert all(len(day) == len("2026-03-23") for day, *_ in stored)


def test_r5_10_a_report_may_have_nothing_to_report(user):
    assert post(user).status_code == 200
    assert post(user, more={"is": ["ignored"]}).status_code == 200


def test_a_22817_nothing_stored_or_shown_leads_to_a_user(world, user):
    """Whatever a client writes into a name: what does not look like a procedure's is counted as other."""
    secret = [f"x{user.localpart}x", user.user_id, "X123456789", "Irma Insured", "de.gematik.X123456789"]
    versions = ["v1", "v1", "v1", "v1", "110110110"]
    before = events(world.clinic, "sent", "other", "other")
    sent = [entry(name, version, 1) for name, version in zip(secret, versions, strict=True)]
    assert post(user, sent=[*sent, entry("de.gematik.x", user.user_id, 1)]).status_code == 200
    assert events(world.clinic, "sent", "other", "other") == before + 6
    shown = json.dumps([rows(world.clinic), [list(each.metrics()) for each in processes(world)]])
    for trace in (*secret, user.localpart, user.device_id, user.access_token, "110110110"):
        assert trace not in shown, trace
    for line in lines_of_ours(world.clinic):
        assert user.localpart not in line and "Irma" not in line
    reports = [line for line in world.clinic.log_text().splitlines() if f"POST {REPORT} HTTP" in line]
    assert reports and not any(user.localpart in line for line in reports)


def processes(world):
    return [world.clinic, *getattr(world.clinic, "workers", ())]


# Who may report -------------------------------------------------------------------------------------------


def test_r5_10_only_users_report(world, user):
    body = {"start": START}
    assert code(send(user, "POST", REPORT, json=body)) == (401, "M_MISSING_TOKEN")
    for token in ("unknown", open_id_token(user)):
        headers = {"Authorization": f"Bearer {token}"}
        assert code(send(user, "POST", REPORT, json=body, headers=headers)) == (401, "M_UNKNOWN_TOKEN")
    assert post(user).status_code == 200
    log_out(world.clinic, user)
    assert code(post(user)) == (401, "M_UNKNOWN_TOKEN")


@pytest.mark.one_process
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH"])
def test_r5_10_another_method_is_not_allowed(user, method):
    answer = user.request(method, REPORT)
    assert answer.status_code == 405
    assert answer.headers["Allow"] == "POST, OPTIONS"
    assert method == "HEAD" or answer.json()["errcode"] == "M_UNRECOGNIZED"
    assert send(user, "OPTIONS", REPORT).status_code == 204


@pytest.mark.one_process
@pytest.mark.parametrize("path", ["", "/", "/report/", "/Report", "/report/x", "/v1/report"])
def test_r5_10_another_path_is_not_found(user, path):
    base = REPORT.removesuffix("/report")
    assert code(user.request("POST", base + path, {"start": START})) == (404, "M_UNRECOGNIZED")


def test_r5_10_it_is_off_by_default_and_served_to_clients_only(world):
    for server in (world.practice, world.insurer):
        user = world.user(server)
        assert user.request("POST", REPORT, {"start": START}).status_code == 404
    for url in world.other_listeners.values():
        assert loopback.post(url + REPORT, json={"start": START}).status_code == 404


def test_a_client_that_reports_too_often_has_to_wait(user, world):
    assert {post(user).status_code for _ in range(BURST)} == {200}
    answer = post(user)
    assert code(answer) == (429, "M_LIMIT_EXCEEDED")
    assert answer.headers["Retry-After"] == "60"
    assert post(world.user()).status_code == 200  # others do not notice


# What may be reported -------------------------------------------------------------------------------------

TOO_LONG = "v" * 129


@pytest.mark.one_process
@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'"text"',
        b"\xff\xfe",
        b'\xef\xbb\xbf{"start":"2026-03-23T12:13:23Z"}',
        b'{"start":"2026-03-23T12:13:23Z","start":"2026-03-23T12:13:24Z"}',
        b'{"start":"2026-03-23T12:13:23Z","x":NaN}',
        b'{"start":"2026-03-23T12:13:23Z","x":' + b"[" * 30_000 + b"]" * 30_000 + b"}",
        b'{"start":"2026-03-23T12:13:23Z","x":' + b"9" * 5000 + b"}",
        b'{"start":"2026-03-23T12:13:23Z","x":"' + b"x" * MAX_OCTETS + b'"}',
    ],
    ids=lambda content: str(content[:24]),
)
def test_r5_10_what_is_no_json_object_is_a_bad_request(user, content):
    answer = raw(user, content)
    assert code(answer) == (400, "M_BAD_JSON")
    assert answer.json()["error"].startswith("Not a client report, nothing was counted: ")


@pytest.mark.one_process
@pytest.mark.parametrize(
    "report",
    [
        {},
        {"start": None},
        {"start": 1},
        {"start": "2026-03-23T12:13:23"},
        {"start": "2026-03-23"},
        {"start": "2026-13-23T12:13:23Z"},
        {"start": START, "sent": []},
        {"start": START, "sent": None},
        {"start": START, "sent": {}},
        {"start": START, "received": ["x"]},
        {"start": START, "sent": [entry(), entry()]},
        {"start": START, "sent": [{"Fachverfahren": "de.x", "Version": "v1"}]},
        {"start": START, "sent": [{"Fachverfahren": "de.x", "Anzahl": 1}]},
        {"start": START, "sent": [entry("")]},
        {"start": START, "sent": [entry("de.x\0y")]},
        {"start": START, "sent": [entry("de.x", "\ud800")]},
        {"start": START, "sent": [entry("de.x", TOO_LONG)]},
        {"start": START, "sent": [entry("de.x", 1)]},
        {"start": START, "sent": [entry("de.x", "v1", True)]},
        {"start": START, "sent": [entry("de.x", "v1", -1)]},
        {"start": START, "sent": [entry("de.x", "v1", 1.0)]},
        {"start": START, "sent": [entry("de.x", "v1", "1")]},
        {"start": START, "sent": [entry("de.x", "v1", MAX_EVENTS + 1)]},
        {"start": START, "sent": [entry("de.x", f"v{n}") for n in range(MAX_ENTRIES + 1)]},
    ],
    ids=lambda report: json.dumps(report)[:60],
)
def test_r5_10_what_does_not_follow_the_schema_is_not_counted(world, user, report):
    before = rows(world.clinic)
    answer = raw(user, json.dumps(report).encode())
    assert code(answer) == (400, "M_BAD_JSON")
    assert rows(world.clinic) == before


def test_r5_10_a_full_report_is_taken(user):
    """As many entries as there may be, of the greatest length, in both directions."""
    entries = [
        entry(f"de.{number:0125d}"[:128], "v" * 128, MAX_EVENTS, x=number) for number in range(MAX_ENTRIES)
    ]
    assert len(json.dumps(entries)) * 2 < MAX_OCTETS
    assert post(user, sent=entries, received=entries).status_code == 200


def test_many_write_at_once_and_nothing_is_lost(world):
    procedure = "de.gematik.concurrent"
    users = [world.user() for _ in range(12)]
    urls = [each.client_url for each in processes(world)]
    body = {"start": START, "sent": [entry(procedure, f"v{n}", 1) for n in range(8)]}

    def report(user, number):
        return user.at(urls[number % len(urls)]).request("POST", REPORT, body).status_code

    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(report, users * 5, range(60)))
    assert answers == [200] * 60
    stored = {row[3]: row[4] for row in rows(world.clinic) if row[2] == procedure}
    assert stored == {f"v{n}": 60 for n in range(8)}


def test_clients_cannot_make_the_table_or_the_metrics_grow_without_end(world):
    """The last test of this file: afterwards there are as many labels as there may be."""
    wanted = 2 * MAX_ROWS
    for first in range(0, wanted, MAX_ENTRIES):
        sent = [entry(f"de.many.p{first + n}") for n in range(MAX_ENTRIES)]
        assert post(world.user(), sent=sent).status_code == 200
    named = [row for row in rows(world.clinic) if row[2] != "other"]
    assert len(named) == MAX_ROWS
    for each in processes(world):
        name = "synapse_tim_client_report_events_total"
        assert len([key for key in each.metrics() if key.startswith(name)]) <= MAX_ROWS + 2
    assert events(world.clinic, "sent", "other", "other") >= wanted - MAX_ROWS
    assert post(world.user(), sent=[entry("de.many.p0", number=7)]).status_code == 200
    assert next(row[4] for row in rows(world.clinic) if row[2] == "de.many.p0") == 8
