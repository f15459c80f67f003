"""Text that a database and the signature of an event can hold.

Refused: NUL, which PostgreSQL does not store, and halves of surrogate pairs, which are no characters and
which JSON lets through. Synapse fails on both with an error of its own.
"""

import re
from typing import Final

_UNSTORABLE: Final = re.compile("[\0\ud800-\udfff]")


def is_storable(text: str) -> bool:
    """Whether a text can be stored and signed."""
    return _UNSTORABLE.search(text) is None
