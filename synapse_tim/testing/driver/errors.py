"""What the driver refuses or passes on, as gematik's document wants errors."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from synapse_tim.testing.http import Answer

_FLOWS = {"completedAuthStages": [], "flows": [{"stages": ["basicAuth"]}]}


class Source(StrEnum):
    """Who refused; stands in each error beside what the document names."""

    HOMESERVER = "homeserver"
    DIRECTORY = "directory"
    CLIENT = "client"  #: a client does so without asking a server
    DRIVER = "driver"  #: the interface itself: claims, malformed requests


class DriverError(Exception):
    """A refusal.

    Args:
        status: of HTTP.
        code: for machines, such as the errcode of a homeserver.
        message: for people.
        source: who refused.
    """

    def __init__(self, status: int, code: str, message: str, source: Source = Source.DRIVER) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.source = source

    @property
    def answer(self) -> Answer:
        """The error, with the ways to log in where the document wants them."""
        error = {"errorCode": self.code, "errorMessage": self.message, "refusedBy": self.source.value}
        body: Mapping[str, Any] = {**_FLOWS, **error} if self.status == 401 else error
        return Answer.of_json(body, self.status)


def refused_by_client(status: int, message: str) -> DriverError:
    """A refusal that no server was asked about."""
    return DriverError(status, "CLIENT", message, Source.CLIENT)


def bad_request(message: str) -> DriverError:
    """A request that the document does not allow."""
    return DriverError(400, "BAD_REQUEST", message)
