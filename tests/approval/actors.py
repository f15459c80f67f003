"""Those who act in a scenario: each claims a device of a test driver, whoever has made it."""

import itertools
import time

import attrs
import httpx

from synapse_tim.testing.driver.operations import OPERATIONS
from synapse_tim.testing.servers.client import url_part

BY_NAME = {each.name: each for each in OPERATIONS}
CLAIM_SECONDS = 600
_numbers = itertools.count(1)


@attrs.frozen
class Interface:
    """An interface of a test driver, and what it says of itself."""

    url: str
    info: dict
    homeserver_url: str | None  #: of the client API, for requests that the interface has no operation for
    http: httpx.Client

    @classmethod
    def at(cls, url, http, homeserver_url=None):
        answer = http.get(f"{url}/")
        return cls(url, answer.raise_for_status().json(), homeserver_url, http)

    @property
    def capabilities(self):
        return self.info["clientInfo"]

    @property
    def product(self):
        return "epa" if self.capabilities.get("isInsurance") else "pro"

    @property
    def generation(self):
        if self.capabilities.get("isVersionThree"):
            return "1.2"
        new = self.capabilities.get("isInsurance") or self.capabilities.get("isPro")
        return "1.1" if new else "legacy-1.1"

    @property
    def is_org_admin(self):
        return bool(self.capabilities.get("canAdministrateFhirOrganization"))

    def request(self, name, device=None, path=(), body=None, query=None, content=None, headers=None):
        operation = BY_NAME[name]
        values = {"deviceId": str(device), **dict(path)}
        url = operation.template.format(**{key: url_part(str(value)) for key, value in values.items()})
        if content is not None:
            return self.http.request(operation.method, self.url + url, content=content, headers=headers)
        json = {} if body is None and operation.method == "POST" else body
        return self.http.request(operation.method, self.url + url, json=json, params=query)

    def clean(self):
        assert self.request("cleanUp").status_code == 200

    def free_devices(self):
        devices = self.request("getDevices").raise_for_status().json()["devices"]
        return [each["deviceId"] for each in devices if each["deviceStatus"] == "free"]


@attrs.define
class Actor:
    """A claimed device that is logged in."""

    interface: Interface
    device: int
    account: dict = attrs.field(factory=dict)

    @classmethod
    def on(cls, interface, log_in_as=None):
        """Claim the next free device.

        Args:
            interface: whose.
            log_in_as: an actor whose account is used on this device, too.
        """
        deadline = time.monotonic() + CLAIM_SECONDS
        while time.monotonic() < deadline:
            for device in interface.free_devices():
                claim = {"claimerName": f"scenario {next(_numbers)}", "claimFor": CLAIM_SECONDS}
                if interface.request("claimDevice", device, body=claim).status_code == 200:
                    actor = cls(interface, device)
                    try:
                        actor.log_in(log_in_as)
                    except BaseException:
                        actor.release()
                        raise
                    return actor
            time.sleep(0.5)
        raise TimeoutError(f"no free device at {interface.url}")

    def log_in(self, other=None):
        body = {}
        if other is not None:
            known = other.account
            body = {
                "authStage": "basicAuth",
                "username": known["username"],
                "password": known["password"],
            }
        self.account = self.do("login", body=body).raise_for_status().json()

    def do(self, name, **options):
        return self.interface.request(name, self.device, **options)

    def raw(self, method, path, body=None, token=True):
        """A request of the client API with this account, past the interface."""
        headers = {"Authorization": f"Bearer {self.account['accessToken']}"} if token else {}
        url = self.interface.homeserver_url + path
        return self.interface.http.request(method, url, json=body, headers=headers)

    def release(self):
        self.do("logout")
        self.do("unclaimDevice")
