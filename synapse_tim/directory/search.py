"""Searches in the directory: who is listed, as what, for whom (requirements R6.1 to R6.3).

Pages are followed on the directory itself only, never twice, and not without end. What is found is compared
with what was searched for, regardless of what the directory says about it.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final
from urllib.parse import urljoin

import httpx

from synapse_tim.core.institution_code import is_code
from synapse_tim.directory import entries as directory_entries
from synapse_tim.directory import fhir_search
from synapse_tim.directory.entries import DirectoryEntry, Entries, read_entries
from synapse_tim.directory.failures import DirectoryError, DirectoryFailure
from synapse_tim.directory.fhir_search import MAX_BYTES, read_page
from synapse_tim.directory.owner_types import user_id_of
from synapse_tim.directory.session import DirectorySession
from synapse_tim.directory.transport import DirectoryTransport

#: Of one search, so that the directory cannot be read out (R6.4).
MAX_PAGES: Final = 10


class DirectorySearch:
    """Searches. May be used by several threads; blocks.

    Args:
        base_url: of the directory, without a slash at the end.
        insured: whether to see what insured persons see.
    """

    def __init__(
        self,
        transport: DirectoryTransport,
        session: DirectorySession,
        base_url: str,
        *,
        insured: bool = False,
    ) -> None:
        self._transport = transport
        self._session = session
        self._base_url = base_url
        self._root = f"{base_url}/fdv/search/" if insured else f"{base_url}/search/"

    def find_by_mxid(self, user_id: str) -> Entries:
        """The entries of a user, in either spelling, those that are off included."""
        user = user_id_of(user_id)
        if user is None:
            raise DirectoryError(DirectoryFailure.NOT_AN_ID, "no user id of the federation")
        return self._find(fhir_search.for_user(user), directory_entries.is_user(user))

    def find_by_telematik_id(self, telematik_id: str) -> Entries:
        """The entries of an organisation or a practitioner that is active."""
        if not telematik_id or len(telematik_id) > 128 or not telematik_id.isprintable():
            raise DirectoryError(DirectoryFailure.NOT_AN_ID, "no telematik id")
        wanted = directory_entries.has_telematik_id(telematik_id)
        return self._find(fhir_search.for_telematik_id(telematik_id), wanted)

    def find_by_ik(self, ik: str) -> Entries:
        """The entries of an organisation that is active, by its institution code."""
        if not is_code(ik):
            raise DirectoryError(DirectoryFailure.NOT_AN_ID, "no institution code")
        return self._find(fhir_search.for_ik(ik), directory_entries.has_ik(ik))

    def _find(self, searches: Iterator[str], wanted: Callable[[DirectoryEntry], bool]) -> Entries:
        resources: list[Mapping[str, Any]] = []
        skipped = 0
        ends = self._transport.end_of_look_up()
        with self._transport.look_up(ends):
            for search in searches:
                skipped += self._collect(search, ends, resources)
        found = read_entries(resources).where(wanted)
        return Entries(found.entries, found.skipped + skipped)

    def _collect(self, search: str, ends: float, resources: list[Mapping[str, Any]]) -> int:
        """Add what all pages of a search hold; returns how many entries hold nothing."""
        skipped = 0
        url: str | None = self._root + search
        visited: set[str] = set()
        while url is not None:
            if len(visited) >= MAX_PAGES or url in visited:
                raise DirectoryError(
                    DirectoryFailure.TOO_MANY_PAGES, f"more than {MAX_PAGES}, or in a circle"
                )
            visited.add(url)
            response = self._transport.get(self._session, url, max_bytes=MAX_BYTES, ends=ends)
            if response.status != 200:
                raise DirectoryError(DirectoryFailure.HTTP_STATUS, f"status {response.status}")
            page = read_page(response.body)
            resources.extend(page.resources)
            skipped += page.skipped
            url = None if page.next_link is None else _next_url(self._base_url, url, page.next_link)
        return skipped


def _next_url(base_url: str, here: str, link: str) -> str:
    """Where the next page is; the token goes there, too.

    Args:
        here: the URL of this page, for a link that is relative.

    Raises:
        DirectoryError: ``foreign_origin`` if scheme, host or port are others; ``answer_malformed`` if it
            is no URL.
    """
    try:
        # Read by what makes the connection: two parsers may see two hosts in one text.
        url, base = httpx.URL(urljoin(here, link)), httpx.URL(base_url)
    except (httpx.InvalidURL, ValueError):
        raise DirectoryError(DirectoryFailure.ANSWER_MALFORMED, "the next link is no URL") from None
    if (url.scheme, url.host, url.port) != (base.scheme, base.host, base.port) or url.userinfo:
        raise DirectoryError(DirectoryFailure.FOREIGN_ORIGIN, "the next page would be elsewhere")
    return str(url.copy_with(fragment=None))
