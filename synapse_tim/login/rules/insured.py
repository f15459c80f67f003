"""Insured persons and their insurer, as a token names them (AF_10234, R4.4, R4.5).

Refused: a KVNR or an institution code (IK) that is none, an IK that is not one of this server's in the
verified federation list, an insured person at a server for professionals, and other persons at a server for
insured persons.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

import attrs

from synapse_tim.core.institution_code import is_code
from synapse_tim.core.products import Product
from synapse_tim.federation.list import FederationList
from synapse_tim.login.rules.claims import INSURED, text
from synapse_tim.login.rules.refusals import TokenRefusal, TokenRefusedError

#: Claims of the federation of sectoral identity providers.
ID: Final = "urn:telematik:claims:id"
ORGANIZATION: Final = "urn:telematik:claims:organization"
PROFESSION: Final = "urn:telematik:claims:profession"

_PROFESSION_CLAIMS: Final = ("professionOID", PROFESSION)
_KVNR: Final = re.compile(r"[A-Z][0-9]{9}")


@attrs.frozen
class Insurer:
    """Which insurer a server belongs to."""

    server_name: str
    #: Institution codes that count as long as the list names none for this server.
    further_codes: frozenset[str] = frozenset()

    def check(self, code: str, known_list: FederationList | None) -> None:
        """Refuse an insurer that is not the one of this server.

        Args:
            known_list: the last verified federation list, or ``None``.

        Raises:
            TokenRefusedError: ``other_insurer``; ``list_missing`` if there was never a list.
        """
        if known_list is None:
            raise TokenRefusedError(TokenRefusal.LIST_MISSING)
        owner = known_list.ik_to_domain.get(code)
        if owner == self.server_name:
            return
        if owner is None and code in self.further_codes and not self._has_codes(known_list):
            return
        raise TokenRefusedError(TokenRefusal.OTHER_INSURER)

    def _has_codes(self, known_list: FederationList) -> bool:
        return self.server_name in known_list.ik_to_domain.values()


def _says_insured(profession: object) -> bool:
    return profession == INSURED or (isinstance(profession, list) and INSURED in profession)


def check_person(
    claims: Mapping[str, Any],
    product: Product,
    insurer: Insurer,
    known_list: FederationList | None,
    profession_claim: str = PROFESSION,
) -> None:
    """Refuse a person that does not belong on this server.

    Args:
        claims: of a token whose signature and general claims are verified.
        insurer: which one this server belongs to.
        known_list: the last verified federation list, or ``None``.
        profession_claim: where the provider says the profession, besides the usual places.
    """
    insured = any(_says_insured(claims.get(name)) for name in (*_PROFESSION_CLAIMS, profession_claim))
    if product is Product.PRO:
        if insured:
            raise TokenRefusedError(TokenRefusal.INSURED_PERSON)
        return
    if not insured:
        raise TokenRefusedError(TokenRefusal.NOT_INSURED)
    if not _KVNR.fullmatch(text(claims, ID)):
        raise TokenRefusedError(TokenRefusal.KVNR_MALFORMED)
    code = text(claims, ORGANIZATION)
    if not is_code(code):
        raise TokenRefusedError(TokenRefusal.INSURER_MALFORMED)
    insurer.check(code, known_list)
