"""What is known of a homeserver's configuration before anybody judges it: values, no files, no Synapse.

One ``Process`` for each process of the homeserver, since workers have files of their own.
"""

from __future__ import annotations

import datetime as dt
import enum
import ipaddress
from collections.abc import Mapping
from typing import Any, Final

import attrs

from synapse_tim.core.products import Product, SpecVersion

_WILDCARDS: Final = frozenset({"", "*", "0.0.0.0", "::"})  # noqa: S104  # names them, binds nothing


class Verdict(enum.StrEnum):
    """What becomes of a setting when it is judged."""

    OK = "ok"
    VIOLATION = "violation"
    WARNING = "warning"
    NOT_APPLICABLE = "not_applicable"


class NotRead(Exception):  # noqa: N818  # nobody is at fault
    """A value is not there: the process does not read it, this Synapse has none, or it was refused."""


@attrs.frozen
class Listener:
    """One listener.

    Attributes:
        key: where it stands.
        kind: ``http``, ``metrics`` or ``manhole``.
        addresses: that it is bound to; none for a Unix socket.
        tls: whether it is encrypted.
        x_forwarded: whether the address of a client is taken from a header.
        resources: what an ``http`` listener serves.
    """

    key: str
    kind: str
    addresses: tuple[str, ...]
    tls: bool = False
    x_forwarded: bool = False
    resources: frozenset[str] = frozenset()

    @property
    def other_machines(self) -> tuple[str, ...]:
        """The addresses that other machines reach."""
        return tuple(address for address in self.addresses if not is_this_machine(address))

    @property
    def public(self) -> tuple[str, ...]:
        """The addresses that anybody reaches."""
        return tuple(address for address in self.addresses if _is_public(address))


@attrs.frozen
class File:
    """A file that the configuration names.

    Attributes:
        key: where it is named.
        path: its name.
        secret: whether it holds one.
        problem: why it cannot be read, or ``None``.
        mode: its permission bits, or ``None``.
    """

    key: str
    path: str
    secret: bool
    problem: str | None = None
    mode: int | None = None


@attrs.frozen
class Certificate:
    """The certificate of the TLS listeners.

    Attributes:
        not_before: start of its validity.
        not_after: end of its validity.
        key: its kind of key: ``RSA``, the name of a curve, or another name.
        bits: of the key.
        hash: of the signature, such as ``sha256``.
        self_signed: whether it vouches for itself.
        fits_key: whether the private key is the one to it; ``None`` if that could not be found out.
    """

    not_before: dt.datetime
    not_after: dt.datetime
    key: str
    bits: int
    hash: str
    self_signed: bool
    fits_key: bool | None = None


@attrs.frozen
class Connection:
    """A connection that the homeserver makes to something of the operator's.

    Attributes:
        key: what to change.
        host: of the other side; empty or a path for a socket of this machine.
        encrypted: whether it is.
    """

    key: str
    host: str
    encrypted: bool


@attrs.frozen
class Module:
    """An entry of ``modules``, or of the older places for modules.

    Attributes:
        key: where it stands.
        name: of the class.
        parts: of this project that it brings; empty for modules of others.
        found: whether it is installed.
    """

    key: str
    name: str
    parts: tuple[str, ...] = ()
    found: bool = True


@attrs.frozen
class Problem:
    """Something in the files that is no setting, but goes wrong.

    Attributes:
        key: where it is.
        text: what it is.
        reason: what comes of it.
    """

    key: str
    text: str
    reason: str | None = None


@attrs.frozen
class Setting:
    """A setting of the blocks of this project.

    Attributes:
        key: where it stands.
        value: in force, defaults included.
    """

    key: str
    value: Any


@attrs.frozen(eq=False)
class Process:
    """What one process of the homeserver is configured to be.

    Attributes:
        name: ``main``, or that of the worker.
        values: of Synapse's configuration object, by section and attribute.
        settings: of the blocks of this project, by key below ``config``.
        modules: in their order.
        listeners: that it opens.
        connections: that it makes.
        files: that are named.
        certificate: of its TLS listeners, if there are any and it could be read.
        log: the log configuration, as its file has it; ``None`` if there is none.
        log_key: where the log configuration is named.
        log_unread: whether there is one that could not be read.
        inline_secrets: keys of secrets that could stand in files of their own.
        problems: what keeps it from starting.
        remarks: what it starts with, though not as it was meant.
        login_remarks: who cannot log in as it was meant, and whose claims nobody looks at.
        dropped: top-level keys that were left out, because Synapse refuses them.
        runs_background_tasks: whether it is the one that fetches the federation list.
        background_tasks_on: the name of the process that is meant to, or ``None`` for the main process.
        is_worker: whether it is a worker.
    """

    name: str = "main"
    values: Mapping[tuple[str, str], object] = attrs.field(factory=dict)
    settings: Mapping[str, Setting] = attrs.field(factory=dict)
    modules: tuple[Module, ...] = ()
    listeners: tuple[Listener, ...] = ()
    connections: tuple[Connection, ...] = ()
    files: tuple[File, ...] = ()
    certificate: Certificate | None = None
    log: Mapping[str, Any] | None = None
    log_key: str = "log_config"
    log_unread: bool = False
    inline_secrets: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()
    remarks: tuple[Problem, ...] = ()
    login_remarks: tuple[Problem, ...] = ()
    dropped: frozenset[str] = frozenset()
    runs_background_tasks: bool = True
    background_tasks_on: str | None = None
    is_worker: bool = False

    def value(self, section: str, attribute: str) -> object:
        """A value of Synapse's configuration object.

        Raises:
            NotRead: it is not known.
        """
        try:
            return self.values[section, attribute]
        except KeyError:
            raise NotRead(f"{section}.{attribute}") from None

    def setting(self, key: str) -> Setting:
        """A setting of this project.

        Raises:
            NotRead: no part that has it is loaded.
        """
        try:
            return self.settings[key]
        except KeyError:
            raise NotRead(key) from None


@attrs.frozen
class FetchedList:
    """The federation list, as it was fetched just now.

    Attributes:
        key: of its block.
        refusal: why it is refused; ``None`` if it is verified.
        detail: of the refusal.
        version: of the list.
        domains: how many it has.
        insurance_domains: how many of them belong to insurers.
        insurer: whether this server is listed as an insurer's; ``None`` if it is not listed.
        signer: who signed it.
        signer_not_after: when the first certificate of the signer's path expires.
    """

    key: str
    refusal: str | None = None
    detail: str = ""
    version: int | None = None
    domains: int | None = None
    insurance_domains: int | None = None
    insurer: bool | None = None
    signer: str | None = None
    signer_not_after: dt.datetime | None = None


@attrs.frozen
class Endpoint:
    """Where the name of the server leads to.

    Attributes:
        url: that was visited.
        reached: whether anybody was there.
        trusted: whether their certificate counts.
        detail: in words.
    """

    url: str
    reached: bool
    trusted: bool = False
    detail: str = ""


@attrs.frozen
class StoredPermissions:
    """How many permission configurations there are in the database.

    Attributes:
        total: all of them.
        empty: that count as none.
        unreadable: that do not follow the schema, and refuse everybody.
    """

    total: int
    empty: int
    unreadable: int


@attrs.frozen
class Online:
    """What was found out over the network.

    Attributes:
        fetched: the federation list; ``None`` if the configuration names none that could be fetched.
        endpoints: of the server itself.
        permissions: in its database; ``None`` if that could not be read.
    """

    fetched: FetchedList | None
    endpoints: tuple[Endpoint, ...]
    permissions: StoredPermissions | None = None


@attrs.frozen(eq=False)
class Facts:
    """Everything that a check may look at.

    Attributes:
        process: that is judged.
        processes: all that are known, the main process first.
        product: of the server, or ``None`` if it does not say.
        spec_version: likewise.
        now: the moment to judge certificates at.
        online: what was found out over the network, if anybody wanted to know.
    """

    process: Process
    processes: tuple[Process, ...]
    product: Product | None
    spec_version: SpecVersion | None
    now: dt.datetime
    online: Online | None = None

    def value(self, section: str, attribute: str) -> object:
        """See ``Process.value``."""
        return self.process.value(section, attribute)


def is_this_machine(host: str) -> bool:
    """Whether what is connected to, or bound to, is a socket or an address of this machine only."""
    if host.startswith("/") or host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _is_public(address: str) -> bool:
    if address in _WILDCARDS:
        return True
    try:
        return ipaddress.ip_address(address.strip("[]")).is_global
    except ValueError:
        return not is_this_machine(address)
