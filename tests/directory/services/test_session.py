"""R1.9: the directory's two-step login."""

import pytest

from synapse_tim.federation.refusals import Refusal

TOKEN_PATH = "/auth/realms/TI-Provider"


@pytest.fixture
def directory(bench, ti):
    return bench(url=ti.directory_list_url)


def test_the_list_comes_from_the_directory(directory, ti):
    assert directory.step().result == "accepted"
    assert ti.count(TOKEN_PATH) == 1
    assert ti.count("/ti-provider-authenticate") == 1


def test_a_token_is_used_until_four_fifths_of_its_life(directory, ti):
    ti.faults.token_lifetime = 1000
    directory.step()
    directory.seconds = 790
    assert directory.step().refusal is None
    assert ti.count(TOKEN_PATH) == 1
    directory.seconds = 810
    assert directory.step().refusal is None
    assert ti.count(TOKEN_PATH) == 2


def test_a_401_makes_it_log_in_once_more(directory, ti):
    directory.step()
    ti.faults.unauthorized_once = True
    assert directory.step().result == "confirmed"
    assert ti.count(TOKEN_PATH) == 2


def test_a_directory_that_goes_on_refusing_is_not_asked_for_ever(directory, ti):
    directory.step()
    ti.faults.status = 401
    before = len(ti.requests)
    assert directory.step().refusal.reason is Refusal.AUTHENTICATION
    assert len(ti.requests) - before == 4  # list, token, exchange, list


def test_wrong_credentials_are_named(directory, ti):
    ti.faults.credentials_refused = True
    refusal = directory.step().refusal
    assert refusal.reason is Refusal.AUTHENTICATION
    assert "secret" not in str(refusal)
