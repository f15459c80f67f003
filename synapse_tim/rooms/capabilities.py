"""Room versions that clients are told of (``/capabilities``, A_25641-01)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from synapse_tim.rooms.creation import RoomRules


def capabilities(body: Mapping[str, Any], rules: RoomRules) -> dict[str, Any]:
    """The answer to ``/_matrix/client/v3/capabilities``.

    Args:
        body: Synapse's answer.
        rules: for the room versions.
    """
    named = body.get("capabilities", {})
    available = named.get("m.room_versions", {}).get("available", {})
    offered = {version: available.get(version, "stable") for version in rules.versions}
    versions_ = {"default": rules.default_version, "available": offered}
    return {**body, "capabilities": {**named, "m.room_versions": versions_}}
