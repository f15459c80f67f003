"""The part that looks users up: off the reactor, never too many, counted, and nothing taken for an answer."""

import asyncio
import threading

import pytest
from prometheus_client import REGISTRY
from synapse.module_api.errors import ConfigError

from synapse_tim.adapter import registry
from synapse_tim.adapter.config_block import parse_block
from synapse_tim.directory import module
from synapse_tim.directory.config import SharedLogIn
from synapse_tim.directory.failures import DirectoryError, DirectoryFailure
from synapse_tim.directory.module import Directory
from synapse_tim.directory.owner_types import OwnerType
from synapse_tim.directory.session import DirectorySession
from synapse_tim.federation.config import FederationListConfig
from synapse_tim.testing.paths import LOCALIZATION, TOKEN

USER = "@alice:hospital.example"


@pytest.fixture
def ti(empty_ti):
    empty_ti.faults.paths = (LOCALIZATION,)
    return empty_ti


@pytest.fixture
def api(api):
    async def defer_to_threadpool(pool, function, *args, **kwargs):
        return await asyncio.to_thread(function, *args, **kwargs)

    api.defer_to_threadpool = defer_to_threadpool
    return api


@pytest.fixture
def part(api, ti):
    made = []

    def make(**changes):
        block = {"product": "pro", "spec_version": "1.2", "directory": ti.directory_config(**changes)}
        made.append(Directory(Directory.parse_config(block), api))
        return made[-1]

    yield make
    for each in made:
        each._transport.close()


def counted(result):
    labels = {"kind": "owner_type", "result": result}
    return REGISTRY.get_sample_value("synapse_tim_directory_lookups_total", labels) or 0


def durations():
    return (
        REGISTRY.get_sample_value(
            "synapse_tim_directory_lookup_duration_seconds_count", {"kind": "owner_type"}
        )
        or 0
    )


def is_down():
    return REGISTRY.get_sample_value("synapse_tim_directory_down")


def failure(run, part, user_id=USER):
    with pytest.raises(DirectoryError) as caught:
        run(part.owner_type(user_id))
    return caught.value.reason


def test_an_answer_is_counted_and_then_comes_from_the_cache_without_a_thread(part, ti, api, run):
    ti.entries.add_organisation("Klinik", [USER])
    at = part()
    before = counted("org"), counted("cached"), durations()
    assert run(at.owner_type(USER)) is OwnerType.ORG
    api.defer_to_threadpool = None
    assert run(at.owner_type(USER)) is OwnerType.ORG
    assert (counted("org"), counted("cached"), durations()) == tuple(n + 1 for n in before)


def test_a_failure_is_an_error_and_shows_in_the_metrics(part, ti, run, caplog):
    at = part()
    ti.stop()
    before = counted("unreachable"), counted("paused")
    try:
        assert failure(run, at) is DirectoryFailure.UNREACHABLE
        assert is_down() == 1
        assert failure(run, at) is DirectoryFailure.PAUSED
    finally:
        ti.start()
    assert (counted("unreachable"), counted("paused")) == tuple(n + 1 for n in before)
    assert len(caplog.records) == 1
    assert "alice" not in caplog.text and "hospital" not in caplog.text
    at._transport._circuit_breaker.succeeded()
    assert is_down() == 0


def test_a_mistake_of_ours_is_no_answer_either(part, run, monkeypatch):
    at = part()
    monkeypatch.setattr(at._client, "owner_type", lambda *args: 1 / 0)
    assert failure(run, at) is DirectoryFailure.INTERNAL


def test_what_is_no_user_id_is_refused_without_a_thread(part, api, run):
    at = part()
    api.defer_to_threadpool = None
    assert failure(run, at, "@ä:hospital.example") is DirectoryFailure.NOT_AN_ID


def test_not_more_than_so_many_wait(part, run, monkeypatch):
    monkeypatch.setattr(module, "MAX_WAITING", 2)
    at = part()
    go_on = threading.Event()
    monkeypatch.setattr(at._client, "owner_type", lambda *args: go_on.wait(60) and OwnerType.NONE)

    async def crowd():
        first = [asyncio.ensure_future(at.owner_type(f"@u{n}:hospital.example")) for n in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(DirectoryError) as caught:
            await at.owner_type(USER)
        go_on.set()
        found = await asyncio.gather(*first)
        return caught.value.reason, found, await at.owner_type(USER)

    assert run(crowd()) == (DirectoryFailure.BUSY, [OwnerType.NONE] * 2, OwnerType.NONE)


# Parts


def test_the_log_in_of_the_list_is_used(part, api, ti, run):
    block = ti.federation_list_config(url=ti.directory_list_url, vzd_credentials=ti.vzd_credentials)

    class Session(DirectorySession):
        def __init__(self):
            self.used = 0

        def token(self, within):
            self.used += 1
            return "of-the-list"

        def forget(self, refused):
            pass

    session = Session()
    registry.register(api, SharedLogIn(parse_block(FederationListConfig, block), session))
    before = ti.count(TOKEN)
    at = part(vzd_credentials=None, ca_certificates=None)
    assert failure(run, at) is DirectoryFailure.AUTHENTICATION
    assert (session.used, ti.count(TOKEN)) == (2, before)


def test_without_any_log_in_it_does_not_start(part, api, ti):
    with pytest.raises(ConfigError, match=r"config\.directory\.vzd_credentials"):
        part(vzd_credentials=None)


def test_without_its_block_it_does_not_start():
    with pytest.raises(ConfigError, match=r"config\.directory: this key is required"):
        Directory.parse_config({"product": "pro", "spec_version": "1.2"})


def test_it_is_not_loaded_twice(part):
    part()
    with pytest.raises(ConfigError, match=r"synapse_tim\.Directory is loaded twice"):
        part()
