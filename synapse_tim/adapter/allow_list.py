"""Synapse's federation allow-list as a dictionary that can be changed and reports denials (A_25534)."""

from collections.abc import Callable


class AllowList(dict[str, bool]):
    """Stands in the place of Synapse's ``federation_domain_whitelist``.

    Synapse asks it with ``in`` at each signed request that comes in, each request that goes out, and for
    media and keys. It is only ever changed in the reactor's thread.
    """

    def __init__(self, on_denied: Callable[[str], None]) -> None:
        super().__init__()
        self._on_denied = on_denied

    def allows(self, name: str) -> bool:
        """Whether a name is in the list; does not report a denial."""
        return super().__contains__(name)

    def __contains__(self, name: object) -> bool:
        if super().__contains__(name):
            return True
        if isinstance(name, str):
            self._on_denied(name)
        return False
