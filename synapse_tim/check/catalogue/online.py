"""Checks of what only shows over the network: the federation list, and the server as others see it."""

import datetime as dt
from collections.abc import Iterable
from typing import Final

from synapse_tim.check.facts import FetchedList, Process
from synapse_tim.core.checks import VIOLATION, WARNING, Check, Found, NotRead
from synapse_tim.core.products import Product

_SOON: Final = dt.timedelta(days=180)
_KEY: Final = "modules[…].config.federation_list"


def _fetched(process: Process) -> FetchedList:
    online = process.homeserver.online
    if online is None or online.fetched is None:
        raise NotRead("federation list")
    return online.fetched


def _verified(process: Process) -> FetchedList:
    fetched = _fetched(process)
    if fetched.refusal is not None:
        raise NotRead("federation list")
    return fetched


def _list(process: Process) -> Iterable[Found]:
    fetched = _fetched(process)
    if fetched.refusal is not None:
        yield Found(f"{fetched.refusal}: {fetched.detail}".removesuffix(": "), False, fetched.key)
    else:
        yield Found(f"version {fetched.version}, {fetched.domains} domains", True, fetched.key)


def _own_domain(process: Process) -> Iterable[Found]:
    listed = _verified(process).insurer is not None
    yield Found("listed" if listed else "not listed", listed)


def _product(process: Process) -> Iterable[Found]:
    insurer = _verified(process).insurer
    if insurer is not None and process.product is not None:
        listed_as = Product.EPA if insurer else Product.PRO
        yield Found(f"listed as {listed_as.value}", listed_as is process.product)


def _signer(process: Process) -> Iterable[Found]:
    expiry = _verified(process).signer_not_after
    if expiry is not None:
        yield Found(f"valid until {expiry:%Y-%m-%d %H:%M}Z", expiry >= process.homeserver.now + _SOON)


def _endpoints(process: Process) -> Iterable[Found]:
    online = process.homeserver.online
    for endpoint in online.endpoints if online is not None else ():
        if endpoint.reached:
            found = f"{endpoint.url}: {'a valid certificate' if endpoint.trusted else endpoint.detail}"
            yield Found(found, endpoint.trusted)


# fmt: off
CHECKS: Final = (
    Check("online.federation_list", _KEY, "R1.3, R1.4, A_25632", VIOLATION, _list,
          "a list that is delivered and verified", "without a verified list no other server is talked to"),
    Check("online.own_domain", "server_name", "AF_10064-02", VIOLATION, _own_domain,
          "a domain of the federation list", "other members do not talk to a server that is not listed"),
    Check("online.product", "modules[…].config.product", "AF_10233", VIOLATION, _product,
          "what the federation list says of this server",
          "who invites whom depends on whether a server belongs to an insurer"),
    Check("online.signer", _KEY, "R1.4", WARNING, _signer,
          "a signer whose certificates are valid for 180 days at least",
          "the list is stale as soon as the first of them expires"),
    Check("online.certificates", "server_name", "R7.15", VIOLATION, _endpoints,
          "a certificate that other members trust",
          "other members refuse to talk to a server whose certificate they do not trust"),
)
