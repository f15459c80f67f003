"""Operations: the permission configuration of Pro and ePA, kept in account data."""

from typing import Any

from synapse_tim.core.products import SpecVersion
from synapse_tim.invites.permission_config import ACCOUNT_DATA_TYPES
from synapse_tim.testing.driver import bodies
from synapse_tim.testing.driver.call import NO_CONTENT, Call, answer
from synapse_tim.testing.driver.devices import Device
from synapse_tim.testing.driver.errors import DriverError, refused_by_client
from synapse_tim.testing.http import Answer

_SETTINGS = {"AllowAll": "allow all", "BlockAll": "block all"}
_MODES = {setting: mode for mode, setting in _SETTINGS.items()}
#: The members of the document that hold exceptions, and what stands in the interface for them.
_MAPS = (("userExceptions", "mxids", "mxid"), ("serverExceptions", "serverNames", "serverName"))


def reset(device: Device) -> None:
    """Allow everybody; nothing happens where no configuration is stored."""
    if device.api.spec_version is SpecVersion.LEGACY_1_1:
        return
    kind = ACCOUNT_DATA_TYPES[device.api.product]
    if device.session.account_data(kind) is not None:
        device.session.put_account_data(kind, {"defaultSetting": "allow all"})


def read_mode(call: Call) -> Answer:
    """``getAuthorizationMode``."""
    return answer(_mode(_document(call)))


def set_mode(call: Call) -> Answer:
    """``setAuthorizationMode``: exceptions of the other mode would mean the opposite, and go."""
    mode: bodies.Mode = call.body(bodies.Mode)
    if _mode(_document(call)) != mode:
        _store(call, {"defaultSetting": _SETTINGS[mode]})
    return answer(mode)


def _exceptions(mode: str, verb: str, what: str, call: Call) -> dict[str, Any]:
    """The document, if exceptions of that mode can be; those of the other one are refused by the client."""
    document = _document(call)
    if _mode(document) != mode:
        raise refused_by_client(403, f"Cannot {verb} {what} users for mode {_mode(document)}")
    return document


def read_allowed(call: Call) -> Answer:
    """``getAllowedUsersList``."""
    return answer(_list(_exceptions("BlockAll", "get", "allowed", call)))


def add_allowed(call: Call) -> Answer:
    """``addAllowedUsersList``."""
    return _add(call, _exceptions("BlockAll", "add", "allowed", call))


def delete_allowed(call: Call) -> Answer:
    """``deleteAllowedUsersList``."""
    return _delete(call, _exceptions("BlockAll", "delete", "allowed", call))


def read_blocked(call: Call) -> Answer:
    """``getBlockedUsersList``."""
    return answer(_list(_exceptions("AllowAll", "get", "blocked", call)))


def add_blocked(call: Call) -> Answer:
    """``addBlockedUsersList``."""
    return _add(call, _exceptions("AllowAll", "add", "blocked", call))


def delete_blocked(call: Call) -> Answer:
    """``deleteBlockedUsersList``."""
    return _delete(call, _exceptions("AllowAll", "delete", "blocked", call))


def _add(call: Call, document: dict[str, Any]) -> Answer:
    wanted: bodies.AuthorizationList = call.body(bodies.AuthorizationList)
    for member, names in _named(wanted):
        document[member] = {**(document.get(member) or {}), **{name: {} for name in names}}
    groups = document.get("groupExceptions") or []
    new: list[dict[str, str]] = [{"groupName": name} for name in dict.fromkeys(wanted.groupNames)]
    _set_groups(document, [*groups, *(each for each in new if each not in groups)])
    _store(call, document)
    return answer(_list(document))


def _delete(call: Call, document: dict[str, Any]) -> Answer:
    wanted: bodies.AuthorizationList = call.body(bodies.AuthorizationList)
    for member, names in _named(wanted):
        known = dict(document.get(member) or {})
        for name in names:
            if known.pop(name, None) is None:
                raise refused_by_client(404, f"{name} is not in the list")
        document[member] = known
    gone = [{"groupName": name} for name in wanted.groupNames]
    groups = document.get("groupExceptions") or []
    if any(each not in groups for each in gone):
        raise refused_by_client(404, "the group is not in the list")
    _set_groups(document, [each for each in groups if each not in gone])
    _store(call, document)
    return NO_CONTENT


def _set_groups(document: dict[str, Any], groups: list[dict[str, str]]) -> None:
    """Change the groups; those of ePA have no such member at all."""
    document.pop("groupExceptions", None)
    if groups:
        document["groupExceptions"] = groups


def _named(wanted: bodies.AuthorizationList) -> list[tuple[str, list[str]]]:
    return [
        ("userExceptions", [each.mxid for each in wanted.mxids]),
        ("serverExceptions", [each.serverName for each in wanted.serverNames]),
    ]


def _list(document: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {
        name: [{key: each} for each in document.get(member) or {}] for member, name, key in _MAPS
    }
    groups = document.get("groupExceptions") or []
    return {**found, "groupNames": [each["groupName"] for each in groups]}


def _mode(document: dict[str, Any]) -> str:
    return _MODES.get(document.get("defaultSetting", ""), "AllowAll")


def _document(call: Call) -> dict[str, Any]:
    session, kind = call.session, _kind(call)
    return session.account_data(kind) or {"defaultSetting": "allow all"}


def _store(call: Call, document: dict[str, Any]) -> None:
    call.session.put_account_data(_kind(call), document)


def _kind(call: Call) -> str:
    if call.api.spec_version is SpecVersion.LEGACY_1_1:
        raise DriverError(501, "NOT_IMPLEMENTED", "the legacy generation has contacts in place of this")
    return ACCOUNT_DATA_TYPES[call.api.product]
