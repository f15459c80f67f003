"""The two ways of reading a list that are compared.

``synapse_tim`` verifies the path of the signer, the signature and every entry. ``baseline`` is what is
usually written: jwcrypto for the signature, strict pydantic models that check names and institution codes,
sets for the look-ups. It does not even verify the path.
"""

from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Annotated

from generated import NOW

Read = Callable[[bytes], object]


def synapse_tim(directory: Path) -> Read:
    """What the modules of this project do with a list that was received."""
    from synapse_tim.federation.list_reader import Task
    from synapse_tim.federation.reader_process import ReaderProcess
    from synapse_tim.jose.large_jws import CompactJws, JwsLimits
    from synapse_tim.pki.certificates import parse_certificate
    from synapse_tim.pki.signer_path import verify_signer_path

    sub_ca, root = (
        parse_certificate((directory / f"{name}.der").read_bytes()) for name in ("sub_ca", "root")
    )
    read_there, algorithms = ReaderProcess(), frozenset({"BP256R1"})

    def read(octets: bytes) -> object:
        jws = CompactJws.parse(octets)
        verify_signer_path(jws.signer, (sub_ca,), (root,), NOW, allow_test=True)
        return read_there(Task(octets, algorithms, JwsLimits())).compiled

    return read


def baseline(directory: Path) -> Read:
    """The usual way, with jwcrypto and pydantic."""
    from cryptography import x509
    from jwcrypto.jwk import JWK
    from jwcrypto.jws import JWS
    from pydantic import BaseModel, ConfigDict, Field, StringConstraints, computed_field

    server_name = r"^[A-Za-z0-9]([A-Za-z0-9.-]{0,228}[A-Za-z0-9])?(:[0-9]{1,5})?$"
    ServerName = Annotated[str, StringConstraints(pattern=server_name, max_length=230, to_lower=True)]  # noqa: N806
    Ik = Annotated[str, StringConstraints(pattern=r"^[0-9]{9}$")]  # noqa: N806

    class Domain(BaseModel):
        model_config = ConfigDict(strict=True, frozen=True)
        domain: ServerName
        telematik_id: str = Field(alias="telematikID")
        is_insurance: bool = Field(alias="isInsurance")
        ik: list[Ik] = []
        tim_anbieter: str | None = Field(alias="timAnbieter", default=None)

    class FederationList(BaseModel):
        model_config = ConfigDict(strict=True, frozen=True)
        version: int
        domain_list: list[Domain] = Field(alias="domainList")

        @computed_field
        @cached_property
        def domains(self) -> set[str]:
            return {entry.domain for entry in self.domain_list}

        @computed_field
        @cached_property
        def insurers(self) -> set[str]:
            return {entry.domain for entry in self.domain_list if entry.is_insurance}

        @computed_field
        @cached_property
        def ik_to_domain(self) -> dict[str, str]:
            return {ik: entry.domain for entry in self.domain_list for ik in entry.ik}

    def read(octets: bytes) -> object:
        jws = JWS()
        jws.allowed_algs = ["BP256R1"]
        jws.deserialize(octets.decode())
        certificate = jws.jose_header["x5c"][0]
        pem = f"-----BEGIN CERTIFICATE-----\n{certificate}\n-----END CERTIFICATE-----\n"
        jws.verify(JWK.from_pyca(x509.load_pem_x509_certificate(pem.encode()).public_key()))
        model = FederationList.model_validate_json(jws.payload)
        _ = (model.domains, model.insurers, model.ik_to_domain)
        return model

    return read


VARIANTS = {"synapse_tim": synapse_tim, "baseline": baseline}
