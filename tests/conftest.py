"""Fixtures for all tests: those of the package itself, as a vendor uses them, and two for single servers.

No test depends on the speed of the machine. Limits of time are here and in ``synapse_tim.testing``; they end
what hangs, and nothing else.
"""

import contextlib
import inspect

import httpx
import pytest
from hypothesis import HealthCheck, settings

from synapse_tim.testing import TiSimulator
from synapse_tim.testing.waiting import HANGING_SECONDS

pytest_plugins = [
    "synapse_tim.testing.fixtures",
    "tests.support.certificates",
    "tests.support.module_api",
    "tests.support.servers",
    "tests.support.tested",
]

settings.register_profile("synapse_tim", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("synapse_tim")

# What httpx waits for if a test does not say how long: by default five seconds.
_unless_told = inspect.signature(httpx.request).parameters["timeout"].default
_unless_told.connect = _unless_told.read = _unless_told.write = _unless_told.pool = HANGING_SECONDS


def pytest_addoption(parser):
    parser.addoption(
        "--with-workers",
        action="store_true",
        help="run scenarios against servers of several processes, except those that one process shows",
    )
    parser.addoption(
        "--with-mas",
        action="store_true",
        help="run scenarios against servers whose users Matrix Authentication Service (a stand-in) logs in",
    )


def pytest_collection_modifyitems(config, items):
    if config.getoption("--with-workers"):
        once = [item for item in items if item.get_closest_marker("one_process")]
        config.hook.pytest_deselected(items=once)
        items[:] = [item for item in items if not item.get_closest_marker("one_process")]
    if config.getoption("--with-mas"):
        elsewhere = [item for item in items if item.get_closest_marker("logins_of_synapse")]
        config.hook.pytest_deselected(items=elsewhere)
        items[:] = [item for item in items if not item.get_closest_marker("logins_of_synapse")]


@pytest.fixture
def start():
    """Start a server of one's own; it is stopped at the end."""
    with contextlib.ExitStack() as stack:

        def start_one(server):
            stack.callback(server.stop)
            return server.start().wait()

        yield start_one


@pytest.fixture
def ti():
    """A TI of one's own, for scenarios about a single server."""
    with TiSimulator() as simulator:
        yield simulator


@pytest.fixture(scope="module")
def module_ti():
    """A TI for all tests of a file."""
    with TiSimulator() as simulator:
        yield simulator


@pytest.fixture
def empty_ti(module_ti):
    """The same with nobody in the directory, and nothing wrong."""
    module_ti.faults.reset()
    module_ti.entries.clear()
    return module_ti
