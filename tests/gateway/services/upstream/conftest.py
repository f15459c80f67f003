"""A simulated TI per test."""

from tests.support.bench import ti

__all__ = ["ti"]
