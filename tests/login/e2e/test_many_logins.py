"""Many logins at once, and tokens that answers which say "try again" leave as they are."""

import concurrent.futures
import contextlib
import sqlite3
import time

import pytest

from tests.login.e2e.test_start_up import server_with
from tests.login.e2e.world import (
    AUDIENCE,
    Keys,
    broker,
    code,
    log_in,
    logged_in,
    processes,
    reasons,
    refused,
    whoami,
)

pytestmark = pytest.mark.servers

#: Three logins, and then none for minutes.
SLOW = {"per_second": 0.003, "burst_count": 3}
FAST = {"per_second": 1000, "burst_count": 1000}


@pytest.mark.parametrize("known", [True, False], ids=["known", "first"])
@pytest.mark.requirement("A_22936")
def test_many_tokens_of_one_person_at_all_processes_at_once(world, known):
    """Nobody waits for a row that all logins of a person write."""
    person = world.doctor()
    if known:
        logged_in(world.clinic, world.broker_token(person))
    urls = [process.client_url for process in processes(world.clinic)]
    tokens = [world.broker_token(person, sid=f"many-{known}-{number}") for number in range(90)]

    def one(number):
        return log_in(world.clinic, tokens[number], urls[number % len(urls)])

    with concurrent.futures.ThreadPoolExecutor(24) as pool:
        answers = list(pool.map(one, range(len(tokens))))
    assert {code(answer) for answer in answers} == {(200, None)}, reasons(world.clinic)
    assert len({answer.json()["user_id"] for answer in answers}) == 1
    assert len({answer.json()["device_id"] for answer in answers}) == len(tokens)
    for answer in answers[:3]:
        assert whoami(world.clinic, answer.json()) == (200, None)


@pytest.fixture
def limited(ti, tmp_path, start):
    """A server that limits how often somebody logs in."""
    providers = [broker(ti, Keys(tmp_path).secret("hash"))]
    server = server_with(
        tmp_path, ti, login={"providers": providers}, rc_login={"account": SLOW, "address": FAST}
    )
    return start(server)


@pytest.mark.one_process
def test_a_token_outlasts_a_rate_limit(ti, limited):
    """429 comes after the token was looked at, and before there is a session."""
    for _ in range(3):
        logged_in(limited, ti.broker.mint("doctor", audience=AUDIENCE))
    token = ti.broker.mint("doctor", audience=AUDIENCE)
    for _ in range(2):
        answer = log_in(limited, token)
        assert code(answer) == (429, "M_LIMIT_EXCEEDED")
    limited.config["rc_login"]["account"] = FAST
    limited.restart()
    logged_in(limited, token)
    refused(limited, token, "replayed")


@pytest.mark.one_process
def test_a_token_is_worth_one_session_however_often_it_is_released(ti, limited):
    limited.config["rc_login"]["account"] = {"per_second": 20, "burst_count": 1}
    limited.restart()
    tokens = [ti.broker.mint("doctor", audience=AUDIENCE) for _ in range(4)]

    def one(number):
        time.sleep(number % 7 / 50)
        return log_in(limited, tokens[number % len(tokens)]).status_code

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(one, range(120)))
    assert set(answers) <= {200, 403, 429}
    assert answers.count(200) <= len(tokens)
    for token in tokens:
        answer = log_in(limited, token)
        while answer.status_code == 429:
            time.sleep(0.1)
            answer = log_in(limited, token)
        answers.append(answer.status_code)
    assert answers.count(200) == len(tokens)


@pytest.mark.one_process
def test_a_token_outlasts_a_database_that_fails(ti, tmp_path, start):
    server = start(
        server_with(tmp_path, ti, login={"providers": [broker(ti, Keys(tmp_path).secret("hash"))]})
    )

    def run(statement):
        with contextlib.closing(sqlite3.connect(server.directory / "homeserver.db", timeout=20)) as database:
            database.execute(statement)
            database.commit()

    logged_in(server, ti.broker.mint("doctor", audience=AUDIENCE))
    token = ti.broker.mint("doctor", audience=AUDIENCE)
    run("ALTER TABLE synapse_tim_provider_session RENAME TO gone")
    for _ in range(2):
        answer = log_in(server, token)
        assert code(answer) == (503, "M_UNKNOWN")
        assert answer.headers["Retry-After"]
    run("ALTER TABLE gone RENAME TO synapse_tim_provider_session")
    session = logged_in(server, token)
    assert whoami(server, session) == (200, None)
    refused(server, token, "replayed")


@pytest.mark.one_process
def test_a_refusal_that_is_final_uses_up_the_token(ti, tmp_path, start):
    """A device id that Synapse refuses comes after the token was used: 400 does not say to try again."""
    server = start(
        server_with(tmp_path, ti, login={"providers": [broker(ti, Keys(tmp_path).secret("hash"))]})
    )
    token = ti.broker.mint("doctor", audience=AUDIENCE)
    assert log_in(server, token, device_id="x" * 600).status_code == 400
    refused(server, token, "replayed")
