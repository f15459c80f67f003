"""Answers look-ups in the simulated directory (I_VZD_TIM_Provider_Services); who asks has logged in."""

from __future__ import annotations

from collections.abc import Mapping

from synapse_tim.rules.owner_types import OwnerType
from synapse_tim.testing import paths
from synapse_tim.testing.directory_entries import DirectoryEntries
from synapse_tim.testing.faults import Faults
from synapse_tim.testing.http import Answer


class DirectoryLookups:
    """Answers.

    Args:
        entries: who is listed.
        faults: what goes wrong.
    """

    def __init__(self, entries: DirectoryEntries, faults: Faults) -> None:
        self._entries = entries
        self._faults = faults

    def serves(self, path: str) -> bool:
        """Whether a path is one of a look-up."""
        return path == paths.LOCALIZATION

    def __call__(self, path: str, query: Mapping[str, str]) -> Answer:
        """Answer one request."""
        if self._faults.malformed_lookups:
            return Answer(200, b'"org', "application/json")
        return self._localization(query)

    def _localization(self, query: Mapping[str, str]) -> Answer:
        if self._faults.owner_type:
            return Answer.of_json(self._faults.owner_type)
        if not query.get("mxid"):
            return Answer.of_json({"errorCode": "400", "message": "mxid"}, 400)
        found = self._entries.owner_type(query["mxid"])
        if found is OwnerType.NONE:
            return Answer.of_json({"errorCode": "404", "message": "not found"}, 404)
        return Answer.of_json(found.value)
