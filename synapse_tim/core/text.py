"""Text that a database and the signature of an event can hold.

Refused: NUL, which PostgreSQL does not store, and halves of surrogate pairs, which are no characters and
which JSON lets through. Synapse fails on both with an error of its own.
"""

from __future__ import annotations


def is_storable(text: str) -> bool:
    """Whether a text can be stored and signed."""
    return "\0" not in text and not any("\ud800" <= character <= "\udfff" for character in text)
