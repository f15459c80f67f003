"""Errors that carry one reason out of a closed set.

Each layer below the subjects has a set of its own. A subject maps them to the names in its log and its
metrics, in one place.
"""

import enum
from typing import Generic, TypeVar

Reason = TypeVar("Reason", bound=enum.StrEnum)


class ReasonError(Exception, Generic[Reason]):
    """Something failed or is rejected, for one reason out of a closed set.

    Attributes:
        reason: member of the set of the subclass.
        detail: what exactly was found, for a human; holds no user data.
    """

    def __init__(self, reason: Reason, detail: str = "") -> None:
        super().__init__(f"{reason.value}: {detail}" if detail else reason.value)
        self.reason = reason
        self.detail = detail
