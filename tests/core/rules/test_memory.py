"""Memory goes back to the system, and nothing happens where the C library cannot do that."""

import ctypes

from synapse_tim.core.memory import give_back


def test_where_the_library_can():
    give_back()


def test_where_it_cannot(monkeypatch):
    load = ctypes.CDLL
    for library in (lambda name: object(), lambda name: load("no such library")):
        monkeypatch.setattr(ctypes, "CDLL", library)
        give_back()
