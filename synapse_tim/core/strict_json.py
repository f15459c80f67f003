"""JSON as the signed documents are read: nothing that two parsers could read differently.

Refused: bytes that are not UTF-8, repeated members, ``NaN``/``Infinity``, nesting or integers beyond
what the interpreter allows. RFC 8259 leaves all of these to the parser, which is how two sides come to
read two different documents under one signature.
"""

import codecs
import json
from collections.abc import Callable
from typing import Any

Pairs = list[tuple[str, Any]]

_SLICE = 1 << 20
_DECODER = codecs.getincrementaldecoder("utf-8")


class StrictJsonError(ValueError):
    """The document is not JSON that everyone reads the same way."""


def unique(pairs: Pairs) -> dict[str, Any]:
    """Make an object of its members; ``StrictJsonError`` if a name occurs twice."""
    members = dict(pairs)
    if len(members) != len(pairs):
        raise StrictJsonError("a member occurs twice in one object")
    return members


def no_constant(name: str) -> Any:
    """Refuse what JSON does not have: ``NaN``, ``Infinity``."""
    raise StrictJsonError(f"{name} is not a JSON number")


def parse(document: bytes | bytearray, on_object: Callable[[Pairs], Any] = unique) -> Any:
    """Read a JSON document strictly.

    Args:
        document: the UTF-8 bytes.
        on_object: makes the value of each object from its members, innermost first. As Python code it
            also makes the parser let other threads in, which a parser in C would not do.

    Raises:
        StrictJsonError: with what is wrong.
    """
    try:
        return json.loads(_text(document), object_pairs_hook=on_object, parse_constant=no_constant)
    except StrictJsonError:
        raise
    except UnicodeDecodeError as error:
        raise StrictJsonError(f"not UTF-8: {error.reason}") from None
    except RecursionError:
        raise StrictJsonError("nested too deeply") from None
    except ValueError as error:
        raise StrictJsonError(str(error)[:120]) from None


def _text(document: bytes | bytearray) -> str:
    """Decode slice by slice, with other threads in between; CPython lets the text grow where it is."""
    decoder = _DECODER()
    view = memoryview(document)
    text = ""
    for start in range(0, len(view), _SLICE):
        text += decoder.decode(view[start : start + _SLICE])
    return text + decoder.decode(b"", final=True)
