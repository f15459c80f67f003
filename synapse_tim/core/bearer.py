"""The token in a request's ``Authorization`` header (RFC 6750 §2.1).

Tokens in the query or in the body are not read: addresses end up in logs.
"""

import re
from collections.abc import Sequence
from typing import Final

#: Upper bound; access tokens that are JSON Web Tokens stay below.
MAX_BYTES: Final = 8192

_BEARER: Final = re.compile(rb"bearer +([A-Za-z0-9._~+/-]+=*) *", re.IGNORECASE)


def bearer_token(headers: Sequence[bytes]) -> str | None:
    """The token; ``None`` if the ``Authorization`` headers of a request do not hold exactly one."""
    if len(headers) != 1 or len(headers[0]) > MAX_BYTES:
        return None
    found = _BEARER.fullmatch(headers[0])
    return None if found is None else found[1].decode("ascii")
