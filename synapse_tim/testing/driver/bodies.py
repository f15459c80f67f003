"""Bodies of requests, as gematik's document describes them."""

import json
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError

from synapse_tim.testing.driver.errors import bad_request

Mode = Literal["AllowAll", "BlockAll"]
_Text = Annotated[str, StringConstraints(min_length=1)]


class _Body(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True)


class ClaimRequest(_Body):
    """``ClaimDeviceRequest``."""

    claimerName: str
    claimFor: int = Field(ge=60)


class LoginRequest(_Body):
    """``Login``; nothing for the account of the configuration."""

    authStage: Literal["basicAuth"] = "basicAuth"
    username: _Text | None = None
    password: str | None = None


class MxIdBody(_Body):
    """``MxId``."""

    mxid: _Text


class RoomProperties(_Body):
    """``RoomProperties``; a change names what it changes."""

    name: str | None = None
    theme: str | None = None
    roomAccess: Literal["private", "public"] | None = None
    joinRule: Literal["public", "knock", "invite", "private", "restricted", "knock_restricted"] | None = None
    isFederated: bool | None = None
    historyVisibility: Literal["invited", "joined", "shared", "world_readable"] | None = None
    isEncrypted: bool | None = None
    roomVersion: _Text | None = None


class CreateRoom(RoomProperties):
    """``CreateRoomRequest``."""

    invitedMembers: tuple[MxIdBody, ...] = Field((), strict=False)


class MessageContent(_Body):
    """``MessageContent``."""

    body: str
    msgtype: str
    fileId: str | None = None
    info: dict[str, Any] | None = None
    format: str | None = None
    formatted_body: str | None = None
    filename: str | None = None
    file: dict[str, Any] | None = None
    geo_uri: str | None = None


class DirectMessage(MessageContent):
    """``DirectMessage``."""

    toAccount: _Text


class ServerNameBody(_Body):
    """``ServerName``."""

    serverName: _Text


class AuthorizationList(_Body):
    """``AuthorizationList``."""

    mxids: tuple[MxIdBody, ...] = Field((), strict=False)
    serverNames: tuple[ServerNameBody, ...] = Field((), strict=False)
    groupNames: tuple[Literal["isInsuredPerson"], ...] = Field((), strict=False)


class InviteSettings(_Body):
    """Of a ``Contact``: from when until when, in seconds since 1970."""

    start: int = Field(ge=0)
    end: int | None = Field(None, ge=0)


class ContactBody(_Body):
    """``Contact``."""

    mxid: _Text
    inviteSettings: InviteSettings


class KeyInfo(_Body):
    """``matrixKeyInfo``."""

    mxId: MxIdBody | None = None
    key: _Text


def read(kind: Any, content: bytes) -> Any:
    """A body.

    Args:
        kind: what it has to be: one of the classes here, or a type of them.
        content: JSON.

    Raises:
        DriverError: 400, with what is wrong in it.
    """
    try:
        value = json.loads(content or b"{}")
    except ValueError:
        raise bad_request("the body is no JSON") from None
    try:
        return TypeAdapter(kind).validate_python(value)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "body"
        raise bad_request(f"{where}: {first['msg']}") from None
