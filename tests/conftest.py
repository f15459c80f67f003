"""Fixtures for all tests: those of the package itself, as a vendor uses them."""

pytest_plugins = ["synapse_tim.testing.fixtures"]


def pytest_addoption(parser):
    parser.addoption(
        "--with-workers",
        action="store_true",
        help="run the scenarios of tests/policies against servers of several processes",
    )
