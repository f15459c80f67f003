"""People who log in: cards of professionals and organisations (HBA, SMC-B), and insured persons.

These people do not exist. The institution codes and insurance numbers have valid check digits all the same.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar, Final

import attrs

from synapse_tim.login.rules.claims import INSURED as PROFESSION_INSURED

_URN: Final = "urn:telematik:claims:"


@attrs.frozen
class Card:
    """A smart card: of a person (HBA) or of an organisation (SMC-B)."""

    #: How the holder authenticates.
    amr: ClassVar[tuple[str, ...]] = ("mfa", "sc", "pin")

    id_nummer: str  #: its Telematik-ID
    profession_oid: str  #: the profession or kind of organisation
    given_name: str | None = None  #: of the person; ``None`` for an organisation
    family_name: str | None = None  #: of the person; ``None`` for an organisation
    organization_name: str | None = None  #: of the organisation; ``None`` for a person

    @property
    def identifier(self) -> str:
        """The unique id of the holder."""
        return self.id_nummer

    @property
    def display_name(self) -> str:
        """What the holder is called."""
        return self.organization_name or f"{self.given_name} {self.family_name}"

    def claims(self) -> dict[str, Any]:
        """What the central IDP says about the holder."""
        return {
            "idNummer": self.id_nummer,
            "professionOID": self.profession_oid,
            "organizationName": self.organization_name,
            "given_name": self.given_name,
            "family_name": self.family_name,
        }


@attrs.frozen
class InsuredPerson:
    """A person with a statutory health insurance."""

    #: How the person authenticates.
    amr: ClassVar[tuple[str, ...]] = ("urn:telematik:auth:eGK",)

    kvnr: str  #: the person's health insurance number
    ik: str  #: the institution code of the insurer
    given_name: str  #: first names
    family_name: str  #: last name

    @property
    def identifier(self) -> str:
        """The unique id of the person."""
        return self.kvnr

    @property
    def display_name(self) -> str:
        """What the person is called."""
        return f"{self.given_name} {self.family_name}"

    def claims(self) -> dict[str, Any]:
        """What a sectoral identity provider says about the person."""
        return {
            f"{_URN}id": self.kvnr,
            f"{_URN}organization": self.ik,
            f"{_URN}profession": PROFESSION_INSURED,
            f"{_URN}display_name": self.display_name,
            f"{_URN}given_name": self.given_name,
            f"{_URN}family_name": self.family_name,
        }


Person = Card | InsuredPerson

#: Cards by the name that ``TiSimulator.idp`` knows them by.
CARDS: Final[Mapping[str, Card]] = MappingProxyType(
    {
        "doctor": Card("1-HBA-TEST-ONLY-0001", "1.2.276.0.76.4.30", "Dorothea", "Doktor TEST-ONLY"),
        "pharmacist": Card("3-HBA-TEST-ONLY-0002", "1.2.276.0.76.4.32", "Paul", "Apotheker TEST-ONLY"),
        "hospital": Card(
            "5-SMC-B-TEST-ONLY-0003", "1.2.276.0.76.4.53", organization_name="Krankenhaus TEST-ONLY"
        ),
        "practice": Card("1-SMC-B-TEST-ONLY-0004", "1.2.276.0.76.4.50", organization_name="Praxis TEST-ONLY"),
        "insurer": Card(
            "8-SMC-B-TEST-ONLY-0005", "1.2.276.0.76.4.59", organization_name="Krankenkasse TEST-ONLY"
        ),
    }
)

#: Insured persons by the name that ``TiSimulator.sectoral`` knows them by; the last has another insurer.
INSURED_PERSONS: Final[Mapping[str, InsuredPerson]] = MappingProxyType(
    {
        "erika": InsuredPerson("X000000012", "109500969", "Erika", "Versicherte TEST-ONLY"),
        "otto": InsuredPerson("T000000026", "109500969", "Otto", "Versicherter TEST-ONLY"),
        "ulla": InsuredPerson("T000000038", "109999994", "Ulla", "Fremdversicherte TEST-ONLY"),
    }
)
