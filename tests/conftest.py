"""Fixtures for all tests: those of the package itself, as a vendor uses them, and two for single servers."""

import contextlib

import pytest

from synapse_tim.testing import TiSimulator

pytest_plugins = ["synapse_tim.testing.fixtures"]


def pytest_addoption(parser):
    parser.addoption(
        "--with-workers",
        action="store_true",
        help="run scenarios of most parts against servers of several processes",
    )


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
