"""What the tests of the rules share: a moment, lists in JSON, and the check of a refusal."""

import contextlib
import datetime as dt
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from synapse_tim.federation.refusals import ListRefusedError, Refusal, as_refusals
from synapse_tim.testing.simulator.pki.world import Identity

NOW = dt.datetime(2026, 6, 1, 12, 0, tzinfo=dt.UTC)
SECOND, MINUTE, HOUR, DAY = (dt.timedelta(**{unit: 1}) for unit in ("seconds", "minutes", "hours", "days"))


def for_each(values: Iterable[Any], name: Callable[[Any], str]) -> Callable[[Callable[..., None]], Any]:
    """Make one test of a test of a catalogue's entries; it says for which of them it fails."""

    def decorate(test: Callable[..., None]) -> Callable[[], None]:
        def run() -> None:
            failed = {}
            for value in values:
                try:
                    test(value)
                except AssertionError as error:
                    failed[name(value)] = error
            if failed:
                said = "\n".join(f"{each}: {error}" for each, error in failed.items())
                raise AssertionError(said) from next(iter(failed.values()))

        run.__name__, run.__doc__, run.__module__ = test.__name__, test.__doc__, test.__module__
        return run

    return decorate


@contextlib.contextmanager
def refused(reason: Refusal) -> Iterator[pytest.ExceptionInfo[ListRefusedError]]:
    """What is inside has to be refused, and for this reason; for errors of lower layers as mapped."""
    with pytest.raises(ListRefusedError) as caught, as_refusals():
        yield caught
    assert caught.value.reason is reason, str(caught.value)


def entry(domain: Any = "hospital.example", insurance: Any = False, **members: Any) -> dict[str, Any]:
    """An element of ``domainList``."""
    return {"domain": domain, "telematikID": "1-2arvtst-ap000052", "isInsurance": insurance, **members}


def document(*rows: Any, version: Any = 7, **members: Any) -> bytes:
    """The payload of a list."""
    return json.dumps({"version": version, "domainList": list(rows), **members}).encode()


def altered(
    identity: Identity,
    issuer: Identity | None,
    extensions: Mapping[x509.ObjectIdentifier, tuple[x509.ExtensionType, bool] | None] | None = None,
    *,
    subject: x509.Name | None = None,
    algorithm: hashes.HashAlgorithm | None = None,
) -> Identity:
    """The same certificate issued anew, with other extensions; ``None`` leaves one out.

    Args:
        identity: whose certificate.
        issuer: who signs; ``None`` for itself.
        extensions: by their OID, the value and whether it is critical.
        subject: another name.
        algorithm: another hash than SHA-256.
    """
    old = identity.certificate
    wanted = {found.oid: (found.value, found.critical) for found in old.extensions} | dict(extensions or {})
    builder = x509.CertificateBuilder(
        issuer_name=old.issuer if issuer is None else issuer.certificate.subject,
        subject_name=subject or old.subject,
        public_key=old.public_key(),
        serial_number=old.serial_number,
        not_valid_before=old.not_valid_before_utc,
        not_valid_after=old.not_valid_after_utc,
    )
    for found in wanted.values():
        if found is not None:
            builder = builder.add_extension(*found)
    key = identity.key if issuer is None else issuer.key
    return Identity(builder.sign(key, algorithm or hashes.SHA256()), identity.key)
