"""Institution codes (``Institutionskennzeichen``) of insurers."""

import re
from typing import Final

_IK: Final = re.compile(r"[0-9]{9}")


def is_code(code: str) -> bool:
    """Whether a text is an institution code (IK)."""
    return _IK.fullmatch(code) is not None
