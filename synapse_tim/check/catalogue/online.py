"""Checks of what only shows over the network: the federation list, and the server as others see it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Final

from synapse_tim.check.checks import Check, Found
from synapse_tim.check.facts import Facts, FetchedList, NotRead, Verdict
from synapse_tim.core.products import Product

_SOON: Final = dt.timedelta(days=180)
_KEY: Final = "modules[…].config.federation_list"
_LISTED_AS: Final = {True: Product.EPA, False: Product.PRO}


def _fetched(facts: Facts) -> FetchedList:
    if facts.online is None or facts.online.fetched is None:
        raise NotRead("federation list")
    return facts.online.fetched


def _verified(facts: Facts) -> FetchedList:
    fetched = _fetched(facts)
    if fetched.refusal is not None:
        raise NotRead("federation list")
    return fetched


def _list(facts: Facts) -> Iterable[Found]:
    fetched = _fetched(facts)
    if fetched.refusal is not None:
        yield Found(f"{fetched.refusal}: {fetched.detail}".removesuffix(": "), False, fetched.key)
    else:
        yield Found(f"version {fetched.version}, {fetched.domains} domains", True, fetched.key)


def _own_domain(facts: Facts) -> Iterable[Found]:
    listed = _verified(facts).insurer is not None
    yield Found("listed" if listed else "not listed", listed)


def _product(facts: Facts) -> Iterable[Found]:
    insurer = _verified(facts).insurer
    if insurer is not None and facts.product is not None:
        listed_as = _LISTED_AS[insurer]
        yield Found(f"listed as {listed_as.value}", listed_as is facts.product)


def _signer(facts: Facts) -> Iterable[Found]:
    expiry = _verified(facts).signer_not_after
    if expiry is not None:
        yield Found(f"valid until {expiry:%Y-%m-%d %H:%M}Z", expiry >= facts.now + _SOON)


def _endpoints(facts: Facts) -> Iterable[Found]:
    for endpoint in facts.online.endpoints if facts.online is not None else ():
        if endpoint.reached:
            found = f"{endpoint.url}: {'a valid certificate' if endpoint.trusted else endpoint.detail}"
            yield Found(found, endpoint.trusted)


CHECKS: Final = (
    Check(
        "online.federation_list",
        _KEY,
        "R1.3, R1.4, A_25632",
        "a list that is delivered and verified",
        "without a verified list no other server is talked to",
        Verdict.VIOLATION,
        _list,
    ),
    Check(
        "online.own_domain",
        "server_name",
        "AF_10064-02",
        "a domain of the federation list",
        "other members do not talk to a server that is not listed",
        Verdict.VIOLATION,
        _own_domain,
    ),
    Check(
        "online.product",
        "modules[…].config.product",
        "AF_10233",
        "what the federation list says of this server",
        "who invites whom depends on whether a server belongs to an insurer",
        Verdict.VIOLATION,
        _product,
    ),
    Check(
        "online.signer",
        _KEY,
        "R1.4",
        "a signer whose certificates are valid for 180 days at least",
        "the list is stale as soon as the first of them expires",
        Verdict.WARNING,
        _signer,
    ),
    Check(
        "online.certificates",
        "server_name",
        "R7.15",
        "a certificate that other members trust",
        "other members refuse to talk to a server whose certificate they do not trust",
        Verdict.VIOLATION,
        _endpoints,
    ),
)
