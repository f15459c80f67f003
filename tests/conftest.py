"""Fixtures for all tests: those of the package itself, as a vendor uses them."""

pytest_plugins = ["synapse_tim.testing.fixtures"]
