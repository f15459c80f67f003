"""Rules of the information service (TiMessengerInformation 1.0.0, requirements R5.1 to R5.9).

Refused: a query that does not name exactly one value, an institution code that has not nine digits, a name
that cannot be a server's. An unknown server is no insurer's, which is an answer and no error (R5.5).
"""

import re
from collections.abc import Mapping, Sequence
from typing import Final

import attrs

from synapse_tim.core.institution_code import is_code
from synapse_tim.core.server_name import normalise
from synapse_tim.federation.list import FederationList

#: Of the interface, not of this software.
VERSION: Final = "1.0.0"
DEFAULT_TITLE: Final = "TI-Messenger Information API"
DEFAULT_DESCRIPTION: Final = "Institution codes (IK) and insurers' servers of the TI-Messenger federation."

#: Valid in Matrix, and never in the federation list.
_IPV6: Final = re.compile(r"\[[0-9A-Fa-f:.]{2,45}\](?::[0-9]{1,5})?")

Query = Mapping[bytes, Sequence[bytes]]


@attrs.frozen
class ServiceInfo:
    """Who runs the service."""

    title: str = DEFAULT_TITLE
    description: str | None = DEFAULT_DESCRIPTION  #: of the service, or ``None``
    contact: str | None = None  #: of the operator, or ``None``
    version: str = VERSION

    def document(self) -> dict[str, str]:
        """The ``InfoObject``."""
        members = {
            "title": self.title,
            "description": self.description,
            "contact": self.contact,
            "version": self.version,
        }
        return {name: value for name, value in members.items() if value is not None}


class QueryError(ValueError):
    """The query cannot be answered; says what is wrong with it."""


def institution_code(query: Query) -> str:
    """The institution code of a query (R5.9); ``QueryError`` unless there is exactly one."""
    code = _only(query, "ikNumber")
    if not is_code(code):
        raise QueryError("'ikNumber' has to have nine digits")
    return code


def server_name(query: Query) -> str:
    """The server name of a query in the list's spelling; ``QueryError`` unless there is exactly one."""
    name = _only(query, "serverName")
    if _IPV6.fullmatch(name):
        return name
    normal = normalise(name)
    if normal is None:
        raise QueryError("'serverName' has to be the name of a Matrix server")
    return normal


def _only(query: Query, parameter: str) -> str:
    values = query.get(parameter.encode(), ())
    if len(values) != 1:
        raise QueryError(f"'{parameter}' has to be there exactly once")
    try:
        return values[0].decode()
    except UnicodeDecodeError:
        raise QueryError(f"'{parameter}' has to be UTF-8") from None


def server_of(code: str, federation: FederationList) -> str | None:
    """The server of the insurer with an institution code in the last list; ``None`` without one."""
    return federation.ik_to_domain.get(code)


def is_insurers(name: str, federation: FederationList) -> bool:
    """Whether a server is an insurer's, by the last verified list."""
    return name in federation.insurance_domains
