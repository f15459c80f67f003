"""Answers look-ups in the simulated directory: where a user is listed, and searches; with a login."""

from collections.abc import Callable, Mapping, Sequence

from synapse_tim.directory.owner_types import OwnerType
from synapse_tim.testing import paths
from synapse_tim.testing.http import Answer
from synapse_tim.testing.simulator.directory.owners import DirectoryOwners
from synapse_tim.testing.simulator.directory.search import DirectorySearches
from synapse_tim.testing.simulator.faults import Faults

Query = Mapping[str, Sequence[str]]


class DirectoryLookups:
    """Answers."""

    def __init__(self, owners: DirectoryOwners, faults: Faults, base_url: Callable[[], str]) -> None:
        self._owners = owners
        self._faults = faults
        self._searches = DirectorySearches(owners, faults, base_url)

    def serves(self, path: str) -> bool:
        """Whether a path is one of a look-up."""
        return path == paths.LOCALIZATION or path.startswith((paths.SEARCH, paths.INSURED_SEARCH))

    def refuses(self, query: Query) -> bool:
        """Whether the faults demand that a login, although it is right, counts for nothing."""
        if self._faults.unauthorized_page and "_offset" in query:
            self._faults.unauthorized_page = False
            return True
        if self._faults.lookups_unauthorized > 0:
            self._faults.lookups_unauthorized -= 1
            return True
        return False

    def __call__(self, path: str, query: Query) -> Answer:
        """Answer one request."""
        if self._faults.malformed_lookups:
            return Answer(200, b'"org', "application/json")
        if path == paths.LOCALIZATION:
            return self._localization(query)
        return self._searches(path, query)

    def _localization(self, query: Query) -> Answer:
        """``whereIs`` of I_VZD_TIM_Provider_Services."""
        if self._faults.owner_type:
            return Answer.of_json(self._faults.owner_type)
        address = query.get("mxid", [""])[-1]
        if not address:
            return Answer.of_json({"errorCode": "400", "message": "mxid"}, 400)
        found = self._owners.owner_type(address)
        if found is OwnerType.NONE:
            return Answer.of_json({"errorCode": "404", "message": "not found"}, 404)
        return Answer.of_json(found.value)
