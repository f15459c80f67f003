"""The two products and the generations of the specification; a homeserver is exactly one of each."""

import enum


class Product(enum.StrEnum):
    """TI-M Pro for organisations, TI-M ePA for an insurer's insured persons (requirements §0.2)."""

    PRO = "pro"
    EPA = "epa"


class SpecVersion(enum.StrEnum):
    """The generation: the test sets ``TI-M_11X`` (legacy), ``TI-M_V2`` (1.1) and ``TI-M_V3`` (1.2).

    ``legacy-1.1`` is TI-Messenger-Dienst 1.1.x, which knows product ``pro`` only. ``draft-1.15`` is 1.2 with
    gematik's proposal GSC327, Matrix 1.15, which is not in force.
    """

    LEGACY_1_1 = "legacy-1.1"
    V1_1 = "1.1"
    V1_2 = "1.2"
    DRAFT_1_15 = "draft-1.15"

    @property
    def is_legacy(self) -> bool:
        """Whether it is TI-Messenger-Dienst 1.1.x: approval lists, no permission configurations."""
        return self is SpecVersion.LEGACY_1_1

    @property
    def has_rules_of_1_2(self) -> bool:
        """Whether what came with 1.2 counts: deletion, the window for redactions, room type v2."""
        return self in (SpecVersion.V1_2, SpecVersion.DRAFT_1_15)
