"""The HTTP service: finds the operation of a request, and answers errors as the document wants them."""

import contextlib
import logging
import ssl
from collections.abc import Mapping
from types import TracebackType
from typing import Self
from urllib.parse import parse_qs, urlsplit

from synapse_tim.testing.driver.call import Call
from synapse_tim.testing.driver.config import ApiConfig, DriverConfig
from synapse_tim.testing.driver.devices import Device
from synapse_tim.testing.driver.encryption import Keyring
from synapse_tim.testing.driver.errors import DriverError
from synapse_tim.testing.driver.operations import OPERATIONS, Operation
from synapse_tim.testing.http import Answer, LoopbackServer, Request
from synapse_tim.testing.simulator.faults import Faults

logger = logging.getLogger(__name__)


class TestDriver:
    """Serves all interfaces of a configuration.

    Args:
        config: what to serve.

    Attributes:
        port: that it listens on.
    """

    __test__ = False  # for pytest: no test

    def __init__(self, config: DriverConfig) -> None:
        self.config = config
        self._keyring = Keyring(config.store)
        self._devices = {
            name: {
                number: Device(number, api, each, self._keyring)
                for number, each in enumerate(api.devices, start=1)
            }
            for name, api in config.apis.items()
        }
        host, port = config.address
        self._server = LoopbackServer(port, self, _log, Faults(), _ssl_context(config), host)
        self.port = self._server.port

    def __enter__(self) -> Self:
        """Serve."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close."""
        self.close()

    def close(self) -> None:
        """End all sessions, and stop."""
        self._server.close()
        for device in (each for devices in self._devices.values() for each in devices.values()):
            if device.is_logged_in:
                with contextlib.suppress(DriverError):
                    device.log_out()
        self._keyring.close()

    def __call__(self, request: Request) -> Answer:
        """Answer one request."""
        try:
            return self._answer(request)
        except DriverError as error:
            logger.info("%s %s: %s %s", request.method, request.path, error.status, error.message)
            return error.answer
        except Exception:
            logger.exception("%s %s", request.method, request.path)
            return DriverError(500, "INTERNAL", "a fault of the driver; see its log").answer

    def _answer(self, request: Request) -> Answer:
        parts = urlsplit(request.path)
        name, _, rest = parts.path.lstrip("/").partition("/")
        api = self.config.apis.get(name)
        if api is None:
            raise DriverError(404, "NOT_FOUND", f"there is no interface {name!r}")
        operation, path = _operation(request.method, f"/{rest}")
        query = {key: values[-1] for key, values in parse_qs(parts.query).items()}
        devices = self._devices[name]
        if "deviceId" not in path:
            return operation.do(Call(self.config, api, devices, None, path, query, request))
        return self._on_device(operation, api, devices, path, query, request)

    def _on_device(
        self,
        operation: Operation,
        api: ApiConfig,
        devices: Mapping[int, Device],
        path: Mapping[str, str],
        query: Mapping[str, str],
        request: Request,
    ) -> Answer:
        number = path["deviceId"]
        device = devices.get(int(number)) if number.isdecimal() and len(number) < 20 else None
        if device is None:
            raise DriverError(404, "NOT_FOUND", f"there is no device {number}")
        with device.lock:
            if operation.claimed:
                device.use(request.client_name)
            return operation.do(Call(self.config, api, devices, device, path, query, request))


def _operation(method: str, path: str) -> tuple[Operation, dict[str, str]]:
    found = [(each, match) for each in OPERATIONS if (match := each.match(path)) is not None]
    for each, match in found:
        if each.method == method:
            return each, match
    if found:
        raise DriverError(405, "METHOD_NOT_ALLOWED", f"{path} has no {method}")
    raise DriverError(404, "NOT_FOUND", f"the document has no {path}")


def _ssl_context(config: DriverConfig) -> ssl.SSLContext | None:
    if config.tls is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(config.tls.certificate)
    if config.tls.client_ca is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(config.tls.client_ca)
    return context


def _log(method: str, path: str, status: int) -> None:
    logger.debug("%s %s: %s", method, path, status)
