"""Validation of single resources of the directory against FHIR R4.

A single unknown element would spoil a whole Bundle, so no Bundle is ever validated. The library is loaded
when the first resource is looked at: a homeserver, which makes no searches, never loads it.
"""

from collections.abc import Mapping
from importlib import import_module
from typing import Any, Final

#: What is looked at; everything else in an answer is passed over.
KINDS: Final = ("Endpoint", "HealthcareService", "Organization", "Practitioner", "PractitionerRole")


def validated(resource: Mapping[str, Any]) -> Any | None:
    """The resource as an object of the library.

    Args:
        resource: as JSON gave it, of one of the kinds.

    Returns:
        ``None`` if it is no resource of FHIR R4.
    """
    kind = resource["resourceType"]
    model = getattr(import_module(f"fhir.resources.R4B.{kind.lower()}"), kind)
    try:
        return model.model_validate(resource)
    except Exception:
        # Besides ValidationError the library has TypeError and RecursionError for some input.
        return None
