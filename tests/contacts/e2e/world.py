"""The server of the scenarios about contact management, and what scenarios do over and over.

With ``--with-workers`` it consists of several processes, and clients are served by two workers.
"""

import itertools
import time

import attrs

from synapse_tim.testing import SynapseServer, loopback
from synapse_tim.testing.servers.client import url_part
from tests.information.e2e.world import lines_of_ours, open_id_token, refused
from tests.support.world import CLIENT, at_worker, in_database

BASE = "/tim-contact-mgmt/v1.0.2"
CONTACTS = f"{BASE}/contacts"
MAX_CONTACTS = 200
ERIKA = "@erika:practice.example"

#: Asks what the check of invitations asks.
ASKER = """
from synapse.module_api import DirectServeJsonResource
from synapse_tim.adapter import registry
from synapse_tim.contacts.module import ContactManagement

class Asked(DirectServeJsonResource):
    isLeaf = True

    def __init__(self, contacts):
        super().__init__()
        self._contacts = contacts

    async def _async_render(self, request):
        owner, inviter, now = (request.args[name][0].decode() for name in (b"owner", b"inviter", b"now"))
        return 200, {"permits": await self._contacts.permits(owner, inviter, int(now))}

class Asker:
    def __init__(self, config, api):
        api.register_web_resource("/asked", Asked(registry.require(api, "ContactManagement", "Asker")))

    @staticmethod
    def parse_config(config):
        return config
"""

__all__ = ["CLIENT", "in_database", "lines_of_ours", "open_id_token", "refused"]


def part(name="ContactManagement", spec_version="legacy-1.1", **block):
    config = {"product": "pro", "spec_version": spec_version, **block}
    return {"module": f"synapse_tim.{name}", "config": config}


def now():
    return int(time.time())


def contact(mxid=ERIKA, name="Erika", start=0, **settings):
    return {"displayName": name, "mxid": mxid, "inviteSettings": {"start": start, **settings}}


def one(mxid):
    """The path of one contact."""
    return f"{CONTACTS}/{url_part(mxid)}"


@attrs.frozen
class Owner:
    """A user and the own contacts, where clients of the server are served."""

    user_id: str
    base_url: str
    token: str = attrs.field(repr=False)

    @property
    def headers(self):
        return {"Authorization": f"Bearer {self.token}", "Mxid": self.user_id}

    def send(self, method, path=CONTACTS, json=None, headers=None, **options):
        return loopback.request(
            method,
            self.base_url + path,
            json=json,
            headers=self.headers if headers is None else headers,
            **options,
        )

    def post(self, *arguments, **changes):
        return self.send("POST", json=contact(*arguments, **changes))

    def put(self, *arguments, **changes):
        return self.send("PUT", json=contact(*arguments, **changes))

    @property
    def contacts(self):
        answer = self.send("GET").raise_for_status().json()
        assert answer.keys() == {"contacts"}
        return answer["contacts"]


def owner_of(user):
    return Owner(user.user_id, user.base_url, open_id_token(user))


def rows(server, user_id):
    """The contacts of a user that are in the table."""
    query = "SELECT contact FROM synapse_tim_contacts WHERE owner = {0} ORDER BY 1"
    return [row[0] for row in in_database(server, query, (user_id,), fetch=True)]


@attrs.define
class ContactWorld:
    """The server."""

    clinic: SynapseServer
    federation_url: str
    _numbers: itertools.count = attrs.field(factory=itertools.count)

    def user(self):
        """A new user, where clients of the server are served."""
        return at_worker(self.clinic, self.clinic.register(f"user{next(self._numbers)}"))

    def administrator(self):
        """A new server administrator, at the main process, which serves the admin API."""
        return self.clinic.register(f"root{next(self._numbers)}", admin=True)

    def permits(self, owner, inviter, at=None):
        """What the check of invitations is told, the same in all processes."""
        params = {"owner": owner.user_id, "inviter": inviter, "now": now() if at is None else at}
        answers = [loopback.get(f"{url}/asked", params=params) for url in self.urls]
        (permits,) = {answer.raise_for_status().json()["permits"] for answer in answers}
        return permits

    def owner(self):
        return owner_of(self.user())

    @property
    def urls(self):
        """Where clients are served, by each process."""
        return [each.client_url for each in (self.clinic, *getattr(self.clinic, "workers", ()))]
