"""What a service says about itself."""

from __future__ import annotations

import attrs

from synapse_tim.information.rules import DEFAULT_DESCRIPTION, DEFAULT_TITLE, VERSION


@attrs.frozen
class ServiceInfo:
    """Who runs the service.

    Attributes:
        title: of the service.
        description: of the service, or ``None``.
        contact: of the operator, or ``None``.
        version: of the interface.
    """

    title: str = DEFAULT_TITLE
    description: str | None = DEFAULT_DESCRIPTION
    contact: str | None = None
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
