"""gematik's requirements on a server: what enforces each of them, or who else has to see to it.

``requirements.yaml`` has their titles, products and generations, and status. What enforces one is
found by its id, which denials, options of ``homeserver.yaml`` and docstrings name.
"""

import enum
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import attrs
import yaml

from synapse_tim.compliance.denials import CATALOGUE
from synapse_tim.compliance.source import ID, Place, read_package
from synapse_tim.core.checks import Check
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


#: Of gematik's proposal for Matrix 1.15, whose requirements have no numbers of their own yet.
_PROPOSAL: Final = "GSC327-A_[1-4]"
_USUAL: Final = ("1.1", "1.2")


def _products(names: Iterable[str]) -> frozenset[Product]:
    return frozenset(map(Product, names))


def _generations(names: Iterable[str]) -> frozenset[SpecVersion]:
    return frozenset(map(SpecVersion, names))


@attrs.frozen
class Requirement:
    """One requirement or use case, as ``requirements.yaml`` has it."""

    #: gematik's, with the version
    id: str = attrs.field(validator=attrs.validators.matches_re(re.compile(f"{ID.pattern}|{_PROPOSAL}")))
    title: str  #: in our own words
    status: Status = attrs.field(converter=Status)  #: who sees to it
    #: For which it counts.
    products: frozenset[Product] = attrs.field(default=tuple(Product), converter=_products)
    #: For which it counts.
    generations: frozenset[SpecVersion] = attrs.field(default=_USUAL, converter=_generations)
    note: str = ""  #: what is missing, who does it instead, or why it does not apply
    #: Other ids that mean the same, under which code and tests know it.
    also: tuple[str, ...] = attrs.field(default=(), converter=tuple)

    @property
    def names(self) -> tuple[str, ...]:
        """The id and the other ones that mean the same."""
        return (self.id, *self.also)

    def is_among(self, ids: Iterable[str]) -> bool:
        """Whether one of some ids means this requirement."""
        return not set(self.names).isdisjoint(ids)

    @property
    def denials(self) -> list[str]:
        """Names of the denials that enforce it."""
        return [name for name, denial in CATALOGUE.items() if self.is_among(denial.requirements)]

    @property
    def options(self) -> list[str]:
        """The options of ``homeserver.yaml`` that enforce it."""
        return list(dict.fromkeys(option.key for option in self._options))

    @property
    def rules(self) -> list[str]:
        """Dotted names of the classes and functions whose docstrings name it."""
        return sorted(place.name for place in self._places if place.name != place.module)

    @property
    def where(self) -> list[str]:
        """The modules that enforce it: those that name it, use its denials or check its options."""
        using = read_package().using
        return sorted(
            {place.module for place in self._places}
            | {module for denial in self.denials for module in using[denial]}
            | {f"synapse_tim.{option.part}.module" for option in self._options}
        )

    @property
    def needs_proof(self) -> bool:
        """Whether a test on real servers has to show it."""
        return self.status in (Status.ENFORCED, Status.SETTING, Status.PARTLY)

    @property
    def _options(self) -> list[Check]:
        return [option for option in OPTIONS if self.is_among(ID.findall(option.requirement))]

    @property
    def _places(self) -> set[Place]:
        return {place for name in self.names for place in read_package().naming.get(name, ())}


def _load() -> tuple[Requirement, ...]:
    document: dict[str, Any] = yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text("utf-8"))
    return tuple(Requirement(**_with_draft(entry)) for entry in document["requirements"])


def _with_draft(entry: dict[str, Any]) -> dict[str, Any]:
    """What counts for 1.2 counts for the draft of the next generation, too, unless the proposal drops it."""
    generations = entry.get("generations", _USUAL)
    goes = entry.get("goes_with_1_2", False)
    drafted = [*generations, SpecVersion.DRAFT_1_15] if "1.2" in generations and not goes else generations
    kept = {name: value for name, value in entry.items() if name != "goes_with_1_2"}
    return {**kept, "generations": drafted}


#: All requirements, in the order of the page.
REQUIREMENTS: Final = _load()

#: The requirements by every id that means them.
BY_ID: Final = {name: requirement for requirement in REQUIREMENTS for name in requirement.names}
