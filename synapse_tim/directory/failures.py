"""The closed set of reasons for which a look-up in the directory brings no answer.

They are the ``result`` label of ``synapse_tim_directory_lookups_total`` and what ``synapse-tim directory
lookup`` prints, so they are an interface: add, never rename. None of them says anything about who is listed.
"""

from __future__ import annotations

import enum


class DirectoryFailure(enum.StrEnum):
    """Why there is no answer."""

    # Asked, and no usable answer
    UNREACHABLE = "unreachable"
    DEADLINE = "deadline"
    REDIRECT = "redirect"
    COMPRESSED = "compressed"
    HTTP_STATUS = "http_status"
    AUTHENTICATION = "authentication"
    ANSWER_MALFORMED = "answer_malformed"
    TOO_LARGE = "too_large"
    FOREIGN_ORIGIN = "foreign_origin"
    TOO_MANY_PAGES = "too_many_pages"

    # Not asked at all
    PAUSED = "paused"
    BUSY = "busy"
    NOT_AN_ID = "not_an_id"

    INTERNAL = "internal"


class DirectoryError(Exception):
    """There is no answer.

    Attributes:
        reason: why.
        detail: for operators, without ids of users.
    """

    def __init__(self, reason: DirectoryFailure, detail: str = "") -> None:
        super().__init__(f"{reason.value}: {detail}" if detail else reason.value)
        self.reason = reason
        self.detail = detail
