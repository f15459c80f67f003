"""What a requirement of gematik is here: what enforces it, or why nothing of this project does."""

from __future__ import annotations

import enum
import re
from typing import Final

import attrs

from synapse_tim.compliance.denials import CATALOGUE
from synapse_tim.core.denial import Denial
from synapse_tim.core.homeserver_options import OPTIONS
from synapse_tim.core.products import Product, SpecVersion


class Status(enum.StrEnum):
    """Who sees to it that a requirement holds."""

    ENFORCED = "enforced"
    SETTING = "setting"
    SYNAPSE = "synapse"
    PARTLY = "partly"
    NOT_ENFORCED = "not-enforced"
    OPERATION = "operation"
    NOT_APPLICABLE = "not-applicable"


#: The statuses in words, in the order of the page.
MEANING: Final = {
    Status.ENFORCED: "a rule of this project enforces it; a homeserver that cannot is not started",
    Status.SETTING: "an option of `homeserver.yaml` does it, and is checked at start-up",
    Status.SYNAPSE: "Synapse does it by itself",
    Status.PARTLY: "some of it holds; the note says what is missing",
    Status.NOT_ENFORCED: "nothing here sees to it; the note says what to do",
    Status.OPERATION: "a duty of the operator or the vendor outside the homeserver",
    Status.NOT_APPLICABLE: "a duty of clients, or replaced by another requirement",
}


PRO: Final = frozenset({Product.PRO})
EPA: Final = frozenset({Product.EPA})
BOTH: Final = frozenset(Product)
LEGACY: Final = frozenset({SpecVersion.LEGACY_1_1})
V1_1: Final = frozenset({SpecVersion.V1_1})
V1_2: Final = frozenset({SpecVersion.V1_2})
CURRENT: Final = V1_1 | V1_2
#: Written for the legacy product; nothing that would replace it was seen.
ALWAYS: Final = LEGACY | CURRENT

_ID: Final = re.compile(r"AF?_[0-9]{5}(?:-[0-9]{2})?")


@attrs.frozen
class Requirement:
    """One requirement or use case.

    Attributes:
        id: gematik's, with the version.
        title: in our own words.
        status: who sees to it.
        products: for which it counts.
        generations: for which it counts.
        note: what is missing, who does it instead, or why it does not apply.
        also: other versions of the id, under which code and tests know it.
        more_denials: denials besides those that name the id.
        more_options: options of ``homeserver.yaml`` besides those that name the id.
        rules: dotted names of functions and classes that decide, where there is no denial, or besides.
        where: dotted names of the modules that ask them.
    """

    id: str = attrs.field(validator=attrs.validators.matches_re(_ID))
    title: str
    status: Status
    products: frozenset[Product] = BOTH
    generations: frozenset[SpecVersion] = CURRENT
    note: str = ""
    also: tuple[str, ...] = ()
    more_denials: tuple[Denial, ...] = ()
    more_options: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    where: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The id and the other ones that mean the same."""
        return (self.id, *self.also)

    @property
    def denials(self) -> tuple[str, ...]:
        """Names of the denials that enforce it: those that name it, and further ones."""
        return tuple(
            name
            for name, denial in CATALOGUE.items()
            if denial in self.more_denials or not set(self.names).isdisjoint(denial.requirements)
        )

    @property
    def options(self) -> tuple[str, ...]:
        """The options of ``homeserver.yaml`` that enforce it."""
        named = (
            option.key
            for option in OPTIONS
            if option.key in self.more_options or not set(self.names).isdisjoint(ids_in(option.requirement))
        )
        return tuple(dict.fromkeys(named))

    @property
    def needs_proof(self) -> bool:
        """Whether a test on real servers has to show it."""
        if self.status is Status.PARTLY:
            return bool(self.denials or self.rules or self.options)
        return self.status in (Status.ENFORCED, Status.SETTING)


def ids_in(text: str) -> tuple[str, ...]:
    """The ids of gematik in a text."""
    return tuple(_ID.findall(text))
