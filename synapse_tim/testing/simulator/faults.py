"""What can go wrong with a TI, as switches of the simulator.

Every switch is off by default and may be turned while the simulator runs; the next request meets it.
"""

from collections.abc import Mapping
from typing import Any

import attrs

from synapse_tim.testing.paths import DIRECTORY_LIST, OPERATOR_LIST


@attrs.define
class Faults:
    """Switches; several may be on at once.

    The switches of transport apply to the paths that start with one of ``paths``, by default the list's;
    ``/idp``, ``/sectoral`` and ``/broker`` are those of the identity providers,
    ``/tim-provider-services/localization``, ``/search`` and ``/fdv/search`` those of look-ups.
    While a switch of the list's content or of its body is on, the list is served to every client,
    also one that has it.
    """

    paths: tuple[str, ...] = (OPERATOR_LIST, DIRECTORY_LIST)  #: where the switches of transport apply

    bad_signature: bool = False  #: the list's signature does not verify
    unsigned: bool = False  #: the header says ``alg: none`` and the signature is empty
    wrong_role: bool = False  #: the signer's technical role is another than the directory's
    wrong_type: bool = False  #: the signer's certificate type is that of a TLS server
    #: The path ends at a root that is not in ``roots.json``, with all names as genuine.
    foreign_signer: bool = False
    expired_signer: bool = False  #: the signer's certificate has expired
    not_yet_valid_signer: bool = False  #: it is valid from tomorrow
    #: Whether the signer's subject says ``TEST-ONLY``; ``None`` as the world's.
    signer_marks: bool | None = None
    truncated: bool = False  #: the last third of the list is missing, with a fitting ``Content-Length``
    rollback: int = 0  #: serve a version lower by this number
    same_version_other_content: bool = False  #: one domain more under the same version
    always_204: bool = False  #: always "nothing new"
    age: int = 0  #: seconds to name in ``Age`` along with the list, as a mirror does

    status: int = 0  #: answer with this status and no content
    retry_after: int = 0  #: seconds to name in ``Retry-After`` along with ``status``
    redirect: str = ""  #: answer 302 to this path or URL
    drop_connection: bool = False  #: close the connection instead of answering
    slow_headers: float = 0.0  #: seconds before each byte of the header
    slow_drip: float = 0.0  #: seconds before each byte of the body
    endless_body: bool = False  #: the body never ends
    oversized: int = 0  #: append white space up to this number of bytes
    compressed: bool = False  #: send the body with ``Content-Encoding: gzip``
    gzip_bomb: int = 0  #: a gzip body that unpacks to this number of bytes

    #: The next request for the directory's list is refused with 401 and all tokens end; turns itself off.
    unauthorized_once: bool = False
    lookups_unauthorized: int = 0  #: so many of the next look-ups are refused with 401; counts itself down
    owner_type: str = ""  #: the answer for all users instead of where they are listed
    #: The next further page of a search is refused with 401; turns itself off.
    unauthorized_page: bool = False
    unknown_elements: int = 0  #: so many endpoints of each page have an element that FHIR does not know
    wrong_total: bool = False  #: the number of matches that is said is wrong
    foreign_next: str = ""  #: the next page is said to be at this URL
    endless_next: bool = False  #: there is always a next page
    prefix_matches: bool = False  #: ``:exact`` is passed over: beginnings match, in any case of letters
    deep_nesting: int = 0  #: the first resource of each page is nested so deeply
    malformed_lookups: bool = False  #: the answers to look-ups are no JSON
    credentials_refused: bool = False  #: the authorisation server refuses the client
    token_lifetime: int = 86400  #: seconds after which a token of the directory ends

    revoked_signer: bool = False  #: OCSP says that the signer is revoked
    revoked_sub_ca: bool = False  #: OCSP says that the sub-CA is revoked
    ocsp_unavailable: bool = False  #: the responder answers 500
    ocsp_stale: bool = False  #: the answers' ``nextUpdate`` is over
    ocsp_foreign: bool = False  #: another CA's responder signs the answers
    ocsp_tampered: bool = False  #: the answers' signature does not verify
    ocsp_unknown: bool = False  #: the responder does not know the certificates

    idp_bad_signature: bool = False  #: the signature of the central IDP's discovery document does not verify
    idp_wrong_role: bool = False  #: its signer has the technical role of a messenger service
    idp_foreign_signer: bool = False  #: its signer's path ends at a root that is not in ``roots.json``
    idp_expired_discovery: bool = False  #: it was to be replaced a day ago

    def reset(self) -> None:
        """Turn everything off."""
        for field in attrs.fields(Faults):
            setattr(self, field.name, field.default)

    def active(self) -> Mapping[str, Any]:
        """The switches that differ from their default."""
        values = ((field, getattr(self, field.name)) for field in attrs.fields(Faults))
        return {field.name: value for field, value in values if value != field.default}

    def set_from_text(self, name: str, text: str = "on") -> None:
        """Turn a switch from a command line.

        Args:
            name: of the switch.
            text: ``on``, ``off`` or ``none``; a number; for ``redirect`` a path or URL, for ``paths``
                prefixes separated by commas.

        Raises:
            ValueError: there is no such switch, or the text does not fit it.
        """
        field = attrs.fields_dict(Faults).get(name)
        if field is None:
            raise ValueError(f"no fault {name!r}; there are {', '.join(attrs.fields_dict(Faults))}")
        setattr(self, name, _from_text(field.default, text))

    @property
    def demands_body(self) -> bool:
        """Whether the list has to be served even to a client that has it."""
        return bool(
            self.bad_signature
            or self.unsigned
            or self.signer_kind != "genuine"
            or self.truncated
            or self.rollback
            or self.same_version_other_content
            or self.slow_drip
            or self.endless_body
            or self.oversized
            or self.compressed
            or self.gzip_bomb
        )

    @property
    def signer_kind(self) -> str:
        """Which certificate signs: ``genuine`` or what is wrong with it."""
        if self.wrong_role:
            return "wrong_role"
        if self.wrong_type:
            return "wrong_type"
        if self.foreign_signer:
            return "foreign"
        if self.expired_signer:
            return "expired"
        if self.not_yet_valid_signer:
            return "not_yet_valid"
        return {None: "genuine", True: "marked", False: "unmarked"}[self.signer_marks]


_WORDS = {"on": True, "true": True, "off": False, "false": False}


def _from_text(default: object, text: str) -> Any:
    if isinstance(default, tuple):
        return tuple(text.split(","))
    if isinstance(default, str):
        return text
    if default is None and text == "none":
        return None
    if default is None or isinstance(default, bool):
        if text not in _WORDS:
            raise ValueError(f"expected on or off, not {text!r}")
        return _WORDS[text]
    return float(text) if isinstance(default, float) else int(text)
