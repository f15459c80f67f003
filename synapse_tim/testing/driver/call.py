"""One request to an operation of the interface."""

import json
from collections.abc import Mapping
from typing import Any

import attrs

from synapse_tim.testing.driver import bodies
from synapse_tim.testing.driver.config import ApiConfig, DriverConfig
from synapse_tim.testing.driver.devices import Device
from synapse_tim.testing.driver.session import MatrixSession
from synapse_tim.testing.http import Answer, Request


@attrs.frozen
class Call:
    """What an operation gets."""

    config: DriverConfig
    api: ApiConfig
    devices: Mapping[int, Device]  #: of the interface
    device: Device | None  #: which the path names
    path: Mapping[str, str]  #: the other parameters of the path, as text
    query: Mapping[str, str]
    request: Request

    @property
    def at(self) -> Device:
        """The device, of operations that have one."""
        if self.device is None:
            raise ValueError("the operation has no device")
        return self.device

    @property
    def session(self) -> MatrixSession:
        """Of the device; ``DriverError`` 401 without one."""
        return self.at.session

    def body(self, kind: Any) -> Any:
        """The body; ``DriverError`` 400 if it is not of the kind."""
        return bodies.read(kind, self.request.body)


def answer(value: Any, status: int = 200) -> Answer:
    """A success."""
    return Answer(status, json.dumps(value, ensure_ascii=False).encode(), "application/json")


NO_CONTENT = Answer(204)
