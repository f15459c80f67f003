"""Versions and features that clients are told of (A_25641-01).

Left out: versions of the Matrix specification after that of the generation (v1.11; v1.3 for the legacy one,
v1.15 for the draft of the next one), which clients of TI-M would take for a promise; unstable features that
the operator does not want.
"""

import re
from collections.abc import Collection, Mapping
from typing import Any, Final

from synapse_tim.core.products import SpecVersion

Version = tuple[int, int]

_NEWEST: Final[Version] = (1, 11)
_NEWEST_OF_LEGACY: Final[Version] = (1, 3)
_NEWEST_OF_DRAFT: Final[Version] = (1, 15)
_VERSION = re.compile(r"v([0-9]{1,4})\.([0-9]{1,4})")


def newest_version(spec_version: SpecVersion) -> Version:
    """The newest version of the Matrix specification that a generation speaks (A_25641-01, §7.4)."""
    if spec_version is SpecVersion.DRAFT_1_15:
        return _NEWEST_OF_DRAFT
    return _NEWEST_OF_LEGACY if spec_version.is_legacy else _NEWEST


def versions(
    body: Mapping[str, Any], unstable_features: Collection[str] | None, newest: Version = _NEWEST
) -> dict[str, Any]:
    """The answer to ``/_matrix/client/versions`` with the unstable features that may stay (``None``: all)."""
    named = [name for name in body.get("versions", []) if not _is_newer(name, newest)]
    newest_name = "v{}.{}".format(*newest)
    if newest_name not in named:
        named.append(newest_name)
    features = body.get("unstable_features", {})
    if unstable_features is not None:
        features = {name: on for name, on in features.items() if name in unstable_features}
    return {**body, "versions": named, "unstable_features": features}


def _is_newer(name: object, newest: Version) -> bool:
    """Whether a version is newer than another; names of the old kind (``r0.6.1``) are not."""
    match = _VERSION.fullmatch(name) if isinstance(name, str) else None
    return match is not None and (int(match[1]), int(match[2])) > newest
