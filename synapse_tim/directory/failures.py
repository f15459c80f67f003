"""Closed set of reasons for which a look-up in the directory brings no answer.

They are the ``result`` label of ``synapse_tim_directory_lookups_total`` and what ``synapse-tim directory
lookup`` prints, so they are an interface: add, never rename. None of them says anything about who is listed.
"""

import enum

from synapse_tim.core.errors import ReasonError


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


class DirectoryError(ReasonError[DirectoryFailure]):
    """A look-up or a search has no answer; the detail is without ids of users."""
