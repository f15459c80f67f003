"""Synapse's federation allow-list as a view of the members that reports denials (A_25534)."""

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Final

_NOBODY: Final[Mapping[str, bool]] = MappingProxyType({})


class AllowList(Mapping[str, bool]):
    """Stands in the place of Synapse's ``federation_domain_whitelist``, a dictionary whose values are true.

    Synapse asks it with ``in`` at each signed request that comes in, each request that goes out, and for
    media and keys.

    Attributes:
        members: whose names are in it. To assign others lets them in and keeps the rest out at once.
    """

    def __init__(self, on_denied: Callable[[str], None]) -> None:
        self._on_denied = on_denied
        self.members = _NOBODY

    def allows(self, name: str) -> bool:
        """Whether a name is in the list; does not report a denial."""
        return name in self.members

    def deny_all(self) -> None:
        """Deny all servers."""
        self.members = _NOBODY

    def __contains__(self, name: object) -> bool:
        if name in self.members:
            return True
        if isinstance(name, str):
            self._on_denied(name)
        return False

    def __getitem__(self, name: str) -> bool:
        if name not in self.members:
            raise KeyError(name)
        return True

    def __iter__(self) -> Iterator[str]:
        return iter(self.members)

    def __len__(self) -> int:
        return len(self.members)
