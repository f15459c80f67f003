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
    While a switch of the list's content or of its body is on, the list is served whatever version the client
    has.

    Attributes:
        paths: where the switches of transport apply.

        bad_signature: the list's signature does not verify.
        unsigned: the header says ``alg: none`` and the signature is empty.
        wrong_role: the signer's technical role is another than the directory's.
        wrong_type: the signer's certificate type is that of a TLS server.
        foreign_signer: the path ends at a root that is not in ``roots.json``, with all names as genuine.
        expired_signer: the signer's certificate has expired.
        not_yet_valid_signer: it is valid from tomorrow.
        signer_marks: whether the signer's subject says ``TEST-ONLY``; ``None`` as the world's.
        truncated: the last third of the list is missing, with a fitting ``Content-Length``.
        rollback: serve a version lower by this number.
        same_version_other_content: one domain more under the same version.
        always_204: nothing new, whatever is asked.
        age: seconds to name in ``Age`` along with the list, as a mirror does.

        status: answer with this status and no content.
        retry_after: seconds to name in ``Retry-After`` along with ``status``.
        redirect: answer 302 to this path or URL.
        drop_connection: close the connection instead of answering.
        slow_headers: seconds before each byte of the header.
        slow_drip: seconds before each byte of the body.
        endless_body: the body never ends.
        oversized: append white space up to this number of bytes.
        compressed: send the body with ``Content-Encoding: gzip``.
        gzip_bomb: a gzip body that unpacks to this number of bytes.

        unauthorized_once: the next request for the directory's list is refused with 401 and all tokens
            end; turns itself off.
        lookups_unauthorized: so many of the next look-ups are refused with 401; counts itself down.
        owner_type: what is said about everybody instead of where they are listed.
        unauthorized_page: the next further page of a search is refused with 401; turns itself off.
        unknown_elements: so many endpoints of each page have an element that FHIR does not know.
        wrong_total: the number of matches that is said is wrong.
        foreign_next: the next page is said to be at this URL.
        endless_next: there is always a next page.
        prefix_matches: ``:exact`` is passed over: beginnings match, in any case of letters.
        deep_nesting: the first resource of each page is nested so deeply.
        malformed_lookups: the answers to look-ups are no JSON.
        credentials_refused: the authorisation server refuses the client.
        token_lifetime: seconds after which a token of the directory ends.

        revoked_signer: OCSP says that the signer is revoked.
        revoked_sub_ca: OCSP says that the sub-CA is revoked.
        ocsp_unavailable: the responder answers 500.
        ocsp_stale: the answers' ``nextUpdate`` is over.
        ocsp_foreign: somebody else signs the answers.
        ocsp_tampered: the answers' signature does not verify.
        ocsp_unknown: the responder does not know the certificates.

        idp_bad_signature: the signature of the central IDP's discovery document does not verify.
        idp_wrong_role: its signer has the technical role of a messenger service.
        idp_foreign_signer: its signer's path ends at a root that is not in ``roots.json``.
        idp_expired_discovery: it was to be replaced a day ago.
    """

    paths: tuple[str, ...] = (OPERATOR_LIST, DIRECTORY_LIST)

    bad_signature: bool = False
    unsigned: bool = False
    wrong_role: bool = False
    wrong_type: bool = False
    foreign_signer: bool = False
    expired_signer: bool = False
    not_yet_valid_signer: bool = False
    signer_marks: bool | None = None
    truncated: bool = False
    rollback: int = 0
    same_version_other_content: bool = False
    always_204: bool = False
    age: int = 0

    status: int = 0
    retry_after: int = 0
    redirect: str = ""
    drop_connection: bool = False
    slow_headers: float = 0.0
    slow_drip: float = 0.0
    endless_body: bool = False
    oversized: int = 0
    compressed: bool = False
    gzip_bomb: int = 0

    unauthorized_once: bool = False
    lookups_unauthorized: int = 0
    owner_type: str = ""
    unauthorized_page: bool = False
    unknown_elements: int = 0
    wrong_total: bool = False
    foreign_next: str = ""
    endless_next: bool = False
    prefix_matches: bool = False
    deep_nesting: int = 0
    malformed_lookups: bool = False
    credentials_refused: bool = False
    token_lifetime: int = 86400

    revoked_signer: bool = False
    revoked_sub_ca: bool = False
    ocsp_unavailable: bool = False
    ocsp_stale: bool = False
    ocsp_foreign: bool = False
    ocsp_tampered: bool = False
    ocsp_unknown: bool = False

    idp_bad_signature: bool = False
    idp_wrong_role: bool = False
    idp_foreign_signer: bool = False
    idp_expired_discovery: bool = False

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
