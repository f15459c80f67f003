"""First logins whose process is killed: the next login of the same person finishes them, nobody else's does.

A server of its own, with a module that kills the process before or after a transaction that a file names.
"""

import concurrent.futures
import contextlib
import time

import httpx
import pytest

from synapse_tim.testing import SynapseServer, WorkerDeployment, loopback, wait_for
from tests.login.e2e.test_single_sign_on import Browser
from tests.login.e2e.world import (
    ADMIN,
    DOCTOR,
    SSO,
    Keys,
    LoginWorld,
    broker,
    central,
    log_in,
    logged_in,
    module,
    processes,
    profile,
    refused,
    single_sign_on,
    whoami,
)
from tests.support.world import in_database

pytestmark = pytest.mark.servers

KILLER = """
import os, pathlib, signal

HERE = pathlib.Path(__file__).parent


def die_at(step):
    path = HERE / "die-at"
    if path.exists() and path.read_text() == step:
        path.unlink()
        os.kill(os.getpid(), signal.SIGKILL)


class Killer:
    def __init__(self, config, api):
        pool = api._store.db_pool
        run = pool.runInteraction

        async def run_interaction(desc, *args, **kwargs):
            die_at(f"before {desc}")
            result = await run(desc, *args, **kwargs)
            die_at(f"after {desc}")
            return result

        pool.runInteraction = run_interaction

    @staticmethod
    def parse_config(config):
        return config
"""
STEPS = [
    "before synapse_tim_note_account",
    "after synapse_tim_note_account",
    "before register_user",
    "after register_user",
    "before record_user_external_id",
    "after record_user_external_id",
    "before synapse_tim_finish_account",
    "after synapse_tim_finish_account",
    "before store_device",
    "after store_device",
    "before synapse_tim_add_session",
]
WITHOUT_ACCOUNT, WITH_ACCOUNT = "after synapse_tim_note_account", "after register_user"


@pytest.fixture(scope="module")
def here(request, module_ti, tmp_path_factory):
    directory, ti = tmp_path_factory.mktemp("interrupted"), module_ti
    options = {
        "modules": [
            module(ti, "pro", {"providers": [central(ti), broker(ti, Keys(directory).secret("hash-key"))]}),
            {"module": "killer.Killer", "config": {}},
        ],
        "extra": {
            **SSO,
            "oidc_providers": [
                single_sign_on(
                    ti,
                    "clinic",
                    {
                        "profile": "gematik_idp",
                        "professions": [DOCTOR],
                        "localpart": {"template": "sso-{idNummer}"},
                    },
                )
            ],
        },
    }
    if request.config.getoption("--with-workers"):
        databases = [request.getfixturevalue(f"{kind}_server") for kind in ("postgres", "redis")]
        server = WorkerDeployment("clinic", directory / "clinic", ti.world, *databases, **options)
    else:
        server = SynapseServer("clinic", directory / "clinic", ti.world, **options)
    server.config["public_baseurl"] = f"{server.federation_url}/"
    (server.directory / "killer.py").write_text(KILLER)
    with contextlib.closing(contextlib.ExitStack()) as stack:
        stack.callback(server.stop)
        server.start().wait()
        yield LoginWorld(ti, server, server, None, None)


def is_up(url):
    with contextlib.suppress(httpx.HTTPError):
        return loopback.get(f"{url}/health", timeout=2).status_code == 200
    return False


def killed_at(server, step, attempt):
    """Run something whose process dies at a step, and start that process again."""
    path = server.directory / "die-at"
    path.write_text(step)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        running = pool.submit(attempt)
        wait_for(lambda: not all(child.running for child in server.processes), 30, f"the end at {step}")
        assert not path.exists()
        dead = next(child for child in server.processes if not child.running)
        dead.start()
        url = processes(server)[server.processes.index(dead)].client_url
        wait_for(lambda: is_up(url), what="the process")
        with contextlib.suppress(httpx.HTTPError, AssertionError):
            running.result()  # another process may have gone on with it by now


def row(server, user_id):
    """The password hash of an account."""
    [(password_hash,)] = in_database(
        server, "SELECT password_hash FROM users WHERE name = {0}", (user_id,), fetch=True
    )
    return password_hash


def marks(server, user_id):
    statement = "SELECT mark FROM synapse_tim_new_account WHERE user_id = {0}"
    return [mark for (mark,) in in_database(server, statement, (user_id,), fetch=True)]


def finished(server, user_id):
    """Nothing is left of how the account was made; what a dead process left goes within a minute."""
    wait_for(lambda: row(server, user_id) is None and not marks(server, user_id), what="the end of the mark")


def user_id_of(server, card):
    return f"@{card.id_nummer.lower()}:{server.server_name}"


@pytest.mark.parametrize("step", STEPS)
def test_the_next_login_gets_the_account(here, step):
    server, card = here.clinic, here.doctor()
    killed_at(server, step, lambda: log_in(server, here.card_token(card)))
    session = logged_in(server, here.card_token(card))
    assert session["user_id"] == user_id_of(server, card)
    assert whoami(server, session) == (200, None)
    assert profile(server, session) == f"{card.family_name}, Dora"
    linked = in_database(
        server,
        "SELECT auth_provider FROM user_external_ids WHERE user_id = {0}",
        (session["user_id"],),
        fetch=True,
    )
    assert linked == [("idp-dienst",)]
    finished(server, session["user_id"])
    assert logged_in(server, here.card_token(card))["user_id"] == session["user_id"]


@pytest.mark.parametrize("step", [WITHOUT_ACCOUNT, WITH_ACCOUNT])
def test_many_logins_at_once_take_up_one_account(here, step):
    server, card = here.clinic, here.doctor()
    killed_at(server, step, lambda: log_in(server, here.card_token(card)))
    tokens = [here.card_token(card) for _ in range(8)]
    urls = [process.client_url for process in processes(server)] * 8
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda pair: log_in(server, *pair), zip(tokens, urls, strict=False)))
    assert [answer.status_code for answer in answers] == [200] * 8
    assert {answer.json()["user_id"] for answer in answers} == {user_id_of(server, card)}
    finished(server, user_id_of(server, card))


@pytest.mark.parametrize("body", [{}, {"password": "secret"}, {"displayname": "Dora"}], ids=str)
def test_an_account_that_an_administrator_makes_in_between_stays_theirs(here, body):
    """It is as new, and as unlinked, as one of ours would be."""
    server, card = here.clinic, here.doctor()
    root = server.register(f"root{next(here._numbers)}", admin=True)
    subject = {"sub": f"subject of {card.id_nummer}"}

    def token():
        return here.card_token(card, claims=subject)

    killed_at(server, WITHOUT_ACCOUNT, lambda: log_in(server, token()))
    user_id = user_id_of(server, card)
    if marks(server, user_id):  # else the attempt went on at another process
        assert root.request("PUT", f"{ADMIN}/v2/users/{user_id}", body).status_code == 201
        before = row(server, user_id)
        refused(server, token(), "not_linked")
        assert row(server, user_id) == before
        links = {"external_ids": [{"auth_provider": "idp-dienst", "external_id": subject["sub"]}]}
        assert root.request("PUT", f"{ADMIN}/v2/users/{user_id}", links).status_code == 200
        assert logged_in(server, token())["user_id"] == user_id


def test_nobody_else_takes_up_the_account(here):
    """The same name for another subject, for another provider, and with a note of one's own."""
    server, card = here.clinic, here.doctor()
    killed_at(server, WITH_ACCOUNT, lambda: log_in(server, here.card_token(card)))
    refused(server, here.card_token(card, claims={"sub": "somebody else"}), "not_linked")
    other, rival = here.doctor(), {"sub": "rival"}
    killed_at(server, WITHOUT_ACCOUNT, lambda: log_in(server, here.card_token(other, claims=rival)))
    killed_at(server, WITH_ACCOUNT, lambda: log_in(server, here.card_token(other)))
    refused(server, here.card_token(other, claims=rival), "not_linked")
    for each in (card, other):
        assert logged_in(server, here.card_token(each))["user_id"] == user_id_of(server, each)


@pytest.mark.parametrize("change", ["password", "deactivate", "link"])
def test_an_account_that_an_administrator_has_touched_is_not_taken_up(here, change):
    server, card = here.clinic, here.doctor()
    root = server.register(f"root{next(here._numbers)}", admin=True)
    killed_at(server, WITH_ACCOUNT, lambda: log_in(server, here.card_token(card)))
    user_id = user_id_of(server, card)
    link = {"external_ids": [{"auth_provider": "idp-dienst", "external_id": "an heir"}]}
    body = {"password": {"password": "secret"}, "deactivate": {"deactivated": True}, "link": link}[change]
    assert root.request("PUT", f"{ADMIN}/v2/users/{user_id}", body).status_code == 200
    refused(server, here.card_token(card), "not_linked")


@pytest.mark.parametrize(("step", "stays"), [(WITHOUT_ACCOUNT, False), (WITH_ACCOUNT, True)])
def test_a_note_that_grew_stale_does_no_harm(here, step, stays):
    """What nobody has made within a day is forgotten; an account that was made waits for its person."""
    server, card = here.clinic, here.doctor()
    killed_at(server, step, lambda: log_in(server, here.card_token(card)))
    user_id = user_id_of(server, card)
    age = "UPDATE synapse_tim_new_account SET noted_ts = noted_ts - {0} WHERE user_id = {0}"
    in_database(server, age, (25 * 60 * 60 * 1000, user_id))
    server.restart()
    time.sleep(2)
    wait_for(lambda: bool(marks(server, user_id)) is stays, what="the note to be as it should")
    assert logged_in(server, here.card_token(card))["user_id"] == user_id
    finished(server, user_id)


@pytest.mark.parametrize(
    "step", [WITHOUT_ACCOUNT, WITH_ACCOUNT, "before record_user_external_id", "after record_user_external_id"]
)
def test_single_sign_on_gets_the_account_too(here, step):
    server, card = here.clinic, here.doctor()
    browser = Browser(here, server, card)
    killed_at(server, step, lambda: browser.log_in("clinic"))
    session = browser.session("clinic").json()
    assert session["user_id"] == f"@sso-{card.id_nummer.lower()}:{server.server_name}"
    finished(server, session["user_id"])
    assert browser.session("clinic").json()["user_id"] == session["user_id"]


def test_single_sign_on_leaves_an_account_of_an_administrator_alone(here):
    server, card = here.clinic, here.doctor()
    root = server.register(f"root{next(here._numbers)}", admin=True)
    browser = Browser(here, server, card)
    killed_at(server, WITHOUT_ACCOUNT, lambda: browser.log_in("clinic"))
    user_id = f"@sso-{card.id_nummer.lower()}:{server.server_name}"
    assert root.request("PUT", f"{ADMIN}/v2/users/{user_id}", {}).status_code == 201
    browser.refused("clinic", "not_linked", "account")
