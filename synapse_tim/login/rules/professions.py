"""Professions of card holders: gemSpec_OID's profession OIDs of persons.

Every other OID below ``1.2.276.0.76.4`` that a smart card carries belongs to an institution.
"""

import re
from typing import Final

_ARC: Final = "1.2.276.0.76.4."
_OID: Final = re.compile(r"[0-2](?:\.(?:0|[1-9][0-9]{0,19})){1,30}")

#: oid_versicherter: insured persons.
INSURED: Final = f"{_ARC}49"
#: Physicians (30) to rescue assistants (48), insured persons (49), paramedics (178), and the health
#: professions of the electronic register (232 to 241).
PERSONS: Final = frozenset(f"{_ARC}{number}" for number in (*range(30, 50), 178, *range(232, 242)))


def is_oid(text: str) -> bool:
    """Whether a text is an object identifier in dotted notation."""
    return _OID.fullmatch(text) is not None
