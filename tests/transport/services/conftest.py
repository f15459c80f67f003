"""A simulated TI per test, and the services connected to it."""

from tests.support.bench import bench, ti

__all__ = ["bench", "ti"]
