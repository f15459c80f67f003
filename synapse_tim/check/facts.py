"""Facts about a homeserver that checks look at: what its files say, process by process.

One ``Process`` for each process of the homeserver, since workers have files of their own.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
from collections.abc import Iterable, Mapping
from operator import attrgetter
from pathlib import Path
from typing import Any, TypeVar

import attrs
from cryptography import x509

from synapse_tim.check.mas_files import MasFiles
from synapse_tim.check.named_files import File
from synapse_tim.check.synapse_config import ReadConfig
from synapse_tim.core.checks import Check, Found, NotRead, Result, Verdict
from synapse_tim.core.config_types import PartConfig
from synapse_tim.core.products import Product, SpecVersion

_Config = TypeVar("_Config", bound=PartConfig)


@attrs.frozen(eq=False)
class Module:
    """An entry of ``modules``, or of the older places for modules."""

    key: str
    name: str
    parts: tuple[str, ...] = ()  #: of this project that it brings; empty for modules of others
    found: bool = True  #: whether it is installed
    #: The block of each part, if it is one of this project and has the right shape.
    configs: tuple[PartConfig, ...] = ()

    def block(self, kind: type[_Config]) -> _Config | None:
        """The block of a part; ``None`` if it does not bring that part, or its blocks cannot be used."""
        return next((config for config in self.configs if isinstance(config, kind)), None)


@attrs.define(eq=False)
class Process:
    """What one process of the homeserver is configured to be."""

    name: str = "main"  #: ``main``, or that of the worker
    document: Mapping[str, Any] = attrs.field(factory=dict)
    directory: Path = attrs.field(factory=Path)  #: where the last file of it is
    synapse: ReadConfig = attrs.field(factory=ReadConfig)
    modules: tuple[Module, ...] = ()  #: in their order
    files: tuple[File, ...] = ()
    #: Of its TLS listeners, if there are any and it could be read.
    certificate: x509.Certificate | None = None
    #: Whether the private key is the one to it; ``None`` if that could not be found out.
    key_fits: bool | None = None
    #: The log configuration, as its file has it; ``None`` if there is none, or ``log_unread``.
    log: Mapping[str, Any] | None = None
    log_unread: bool = False  #: whether there is one that could not be read
    problems: tuple[Found, ...] = ()
    missing: tuple[Found, ...] = ()
    remarks: tuple[Found, ...] = ()  #: what it starts with, though not as it was meant
    #: Users who cannot log in as it was meant, and providers whose claims are not checked.
    login_remarks: tuple[Found, ...] = ()
    homeserver: Homeserver = attrs.field(init=False)  #: that it is a part of

    @property
    def product(self) -> Product | None:
        """Product of the server, or ``None`` if it does not say."""
        return self.homeserver.product

    @property
    def spec_version(self) -> SpecVersion | None:
        """Generation of the server, or ``None`` if it does not say."""
        return self.homeserver.spec_version

    @property
    def is_worker(self) -> bool:
        """Whether it is a worker."""
        return self.document.get("worker_app", "synapse.app.homeserver") not in (
            None,
            "synapse.app.homeserver",
        )

    @property
    def log_key(self) -> str:
        """Where the log configuration is named."""
        return "worker_log_config" if self.is_worker else "log_config"

    def option(self, section: str, attribute: str) -> object:
        """A value of Synapse's configuration object; ``NotRead`` if it is not known."""
        return self.synapse.option(section, attribute)

    def listeners(self) -> list[tuple[str, Any]]:
        """What it listens on, with keys, as ``synapse.config.server.ListenerConfig``.

        Raises:
            NotRead: Synapse refuses its listeners.
        """
        section, name = ("worker", "worker_listeners") if self.is_worker else ("server", "listeners")
        found: Any = self.option(section, name)
        return [(f"{name}[{position}]", listener) for position, listener in enumerate(found)]

    def block(self, kind: type[_Config]) -> tuple[str, _Config]:
        """The last block of a part, and its key; ``NotRead`` without one that can be used."""
        for module in reversed(self.modules):
            config = module.block(kind)
            if config is not None:
                return f"{module.key}.config", config
        raise NotRead(kind.__name__)

    def setting(self, name: str) -> tuple[str, Any]:
        """A setting of a part, as it is in force, and its key.

        Args:
            name: below ``config``, such as ``events.threads``.

        Raises:
            NotRead: the part is not loaded, or its block cannot be used.
        """
        for module in reversed(self.modules):
            for config in module.configs:
                if name.partition(".")[0] in type(config).model_fields:
                    return f"{module.key}.config.{name}", attrgetter(name)(config)
        raise NotRead(name)


@attrs.frozen
class FetchedList:
    """The federation list, as it was fetched just now."""

    key: str
    refusal: str | None = None  #: why it is refused; ``None`` if it is verified
    detail: str = ""
    version: int | None = None
    domains: int | None = None
    insurance_domains: int | None = None  #: how many of them belong to insurers
    #: Whether this server is listed as an insurer's; ``None`` if it is not listed.
    insurer: bool | None = None
    signer: str | None = None
    signer_not_after: dt.datetime | None = None  #: when the first certificate of the signer's path expires


@attrs.frozen
class Endpoint:
    """Where the name of the server leads to."""

    url: str
    reached: bool  #: whether there was an answer
    trusted: bool = False  #: whether their certificate counts
    detail: str = ""


@attrs.frozen
class StoredPermissions:
    """How many permission configurations there are in the database."""

    total: int
    empty: int
    unreadable: int


@attrs.frozen
class Online:
    """What was found out over the network."""

    #: The federation list; ``None`` if the configuration names none that could be fetched.
    fetched: FetchedList | None
    endpoints: tuple[Endpoint, ...]
    permissions: StoredPermissions | None = None  #: in its database; ``None`` if that could not be read


@attrs.frozen(eq=False)
class Homeserver:
    """A homeserver as its files describe it."""

    processes: tuple[Process, ...]  #: the main process first
    product: Product | None  #: ``None`` if no block says so
    spec_version: SpecVersion | None
    now: dt.datetime  #: the moment to judge certificates at
    online: Online | None = None  #: what was found out over the network, with ``--online``
    mas: MasFiles | None = None  #: what the files of Matrix Authentication Service say, if they were given

    def __attrs_post_init__(self) -> None:
        for process in self.processes:
            process.homeserver = self

    @property
    def main(self) -> Process:
        """The main process."""
        return self.processes[0]

    @property
    def server_name(self) -> str:
        """Its name, whether it can be one or not."""
        return str(self.main.document.get("server_name"))

    def judge(self, checks: Iterable[Check]) -> list[Result]:
        """Lines of all checks, in their order; of workers only what differs from the main process."""
        lines: list[Result] = []
        for check in checks:
            seen: set[tuple[str, str, str, Verdict]] = set()
            for process in self.processes[:1] if check.of_deployment else self.processes:
                for line in check.run(process, process.name):
                    same = (line.key, line.found, line.reason, line.verdict)
                    if same not in seen and not (seen and line.verdict is Verdict.NOT_APPLICABLE):
                        lines.append(line)
                    seen.add(same)
        return lines


def is_this_machine(host: str) -> bool:
    """Whether what is connected to, or bound to, is a socket or an address of this machine only."""
    if host.startswith("/") or host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
