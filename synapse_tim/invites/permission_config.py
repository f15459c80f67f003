"""The permission configuration: who may invite a user (A_25043, A_26389, A_26390, A_26021-01).

A user's client stores it as account data. It is a default, ``allow all`` or ``block all``, and exceptions for
users, servers and groups. An inviter that any exception names gets the opposite of the default, once.

Refused: what gematik's two schemas refuse, and besides what they let pass by mistake or silence although it
would mean something else than its author thinks: groups other than ``isInsuredPerson`` (the published schema
misplaces the rule), groups in TI-M ePA, which has none, and misspelt or former names of the members, such as
``groupException`` or ``domainExceptions``. Other unknown members are for future versions and are kept.
"""

import re
from collections.abc import Mapping
from typing import Final

import attrs

from synapse_tim.core.products import Product
from synapse_tim.core.server_name import of_matrix_id

#: The account data type of each product (A_26389).
ACCOUNT_DATA_TYPES: Final[Mapping[Product, str]] = {
    Product.PRO: "de.gematik.tim.account.permissionconfig.pro.v1",
    Product.EPA: "de.gematik.tim.account.permissionconfig.epa.v1",
}

#: Stands for the name of the own server in the configured default.
LOCAL_SERVER: Final = "@LOCAL_SERVER@"

#: Bytes of JSON that a client may store; about 4,000 exceptions.
MAX_OCTETS: Final = 256 * 1024

_ALLOW_ALL: Final = "allow all"
_BLOCK_ALL: Final = "block all"
_INSURED: Final = "isInsuredPerson"
_DEFAULT: Final = "defaultSetting"
_SERVERS: Final = "serverExceptions"
_USERS: Final = "userExceptions"
_GROUPS: Final = "groupExceptions"
_MEMBERS: Final = (_DEFAULT, _SERVERS, _USERS, _GROUPS)


_PLAIN: Final = re.compile(r"[A-Za-z]{1,40}")


class PermissionConfigError(ValueError):
    """The document is not a permission configuration; the message says where and why.

    Attributes:
        path: the member that is wrong, for instance ``serverExceptions``; empty for the whole document.
    """

    def __init__(self, path: str, fault: str) -> None:
        super().__init__(f"{path}: {fault}" if path else fault)
        self.path = path


@attrs.frozen
class PermissionConfig:
    """A permission configuration that was read."""

    allows_by_default: bool  #: ``allow all``, not ``block all``
    servers: frozenset[str] = frozenset()  #: server names in lower case
    users: frozenset[str] = frozenset()  #: user ids, compared exactly
    insured_persons: bool = False  #: whether all insured persons are an exception

    def allows(self, inviter: str, *, inviter_is_insured: bool) -> bool:
        """Whether a user may invite the owner of the configuration (requirement R2.7)."""
        excepted = (
            inviter in self.users
            or (of_matrix_id(inviter) or "").lower() in self.servers
            or (self.insured_persons and inviter_is_insured)
        )
        return self.allows_by_default is not excepted


def parse(document: object, product: Product) -> PermissionConfig:
    """Read a permission configuration.

    Args:
        document: the JSON value; sequences and mappings of any kind.
        product: of the server: TI-M ePA has no groups.

    Raises:
        PermissionConfigError: with the fault.
    """
    if not isinstance(document, Mapping):
        raise PermissionConfigError("", "expected an object")
    for name in document:
        _check_name(name, product)
    default = document.get(_DEFAULT)
    if default not in (_ALLOW_ALL, _BLOCK_ALL):
        raise PermissionConfigError(_DEFAULT, "expected 'allow all' or 'block all'")
    servers = _exceptions(document, _SERVERS)
    users = _exceptions(document, _USERS)
    if not all(user.startswith("@") for user in users):
        raise PermissionConfigError(_USERS, "expected user ids as keys, each beginning with '@'")
    return PermissionConfig(
        allows_by_default=default == _ALLOW_ALL,
        servers=frozenset(name.lower() for name in servers),
        users=users,
        insured_persons=_insured_persons(document.get(_GROUPS, [])),
    )


def is_empty(document: object) -> bool:
    """Whether a stored document is one that was deleted: Matrix leaves ``{}``.

    It counts as none, so that the default applies; it cannot be stored as a permission configuration.

    Args:
        document: the JSON value.
    """
    return isinstance(document, Mapping) and not document


def for_server(default: Mapping[str, object], server_name: str) -> dict[str, object]:
    """The configured default as the users of a server get it.

    Args:
        default: the document of the configuration, valid.
        server_name: takes the place of ``@LOCAL_SERVER@``.
    """
    document = dict(default)
    servers = document.get(_SERVERS)
    if isinstance(servers, Mapping):
        document[_SERVERS] = {
            server_name if name == LOCAL_SERVER else name: value for name, value in servers.items()
        }
    return document


def _check_name(name: object, product: Product) -> None:
    if name == _GROUPS and product is Product.EPA:
        raise PermissionConfigError(_GROUPS, "there are no groups in TI-M ePA")
    if not isinstance(name, str):
        raise PermissionConfigError("", "expected strings as keys")
    if name not in _MEMBERS and ("exception" in name.lower() or name.lower() == _DEFAULT.lower()):
        # What the client has written ends up in the log: repeated only if it cannot be a user's name.
        where = name if _PLAIN.fullmatch(name) else ""
        raise PermissionConfigError(where, f"an unknown member; there are {', '.join(_MEMBERS)}")


def _exceptions(document: Mapping[object, object], name: str) -> frozenset[str]:
    """The keys of an object of objects."""
    exceptions = document.get(name, {})
    if not isinstance(exceptions, Mapping):
        raise PermissionConfigError(name, "expected an object")
    if not all(isinstance(key, str) and key.splitlines() in ([key], []) for key in exceptions):
        raise PermissionConfigError(name, "expected strings of one line as keys")
    if not all(isinstance(value, Mapping) for value in exceptions.values()):
        raise PermissionConfigError(name, "expected an empty object as each value")
    return frozenset(exceptions)


def _insured_persons(groups: object) -> bool:
    if not isinstance(groups, list | tuple):
        raise PermissionConfigError(_GROUPS, "expected an array")
    for group in groups:
        if not isinstance(group, Mapping) or group.get("groupName") != _INSURED:
            raise PermissionConfigError(_GROUPS, f'expected {{"groupName": "{_INSURED}"}} as each element')
    if len(groups) > 1:
        raise PermissionConfigError(_GROUPS, "expected each group once")
    return bool(groups)
