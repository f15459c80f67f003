"""The servers of the scenarios about the legacy generation, and what scenarios do over and over.

- ``clinic``: product pro of the legacy generation; asks the simulated directory.
- ``ward``: the same with a directory of its own, which may fail; it is waited for two seconds.
- ``practice``: product pro, spec 1.2; ``insurer``: product epa, spec 1.2.
- ``lax``: a member that enforces nothing.

With ``--with-workers`` the clinic consists of several processes.
"""

import itertools
import time

import attrs

from synapse_tim.testing import SynapseServer, TiSimulator, loopback, wait_for
from synapse_tim.testing.paths import LOCALIZATION
from synapse_tim.testing.servers.client import url_part
from synapse_tim.testing.simulator.directory.entries import ListedAddress
from tests.support.world import CLIENT, at_worker, module, versions_at

CONTACTS = "/tim-contact-mgmt/v1.0.2/contacts"
HOUR_S = 60 * 60


def legacy(ti, directory, settings=(), **policies):
    """The entry of ``modules:`` of a server of the legacy generation."""
    block = directory.directory_config(**dict(settings))
    return module(ti, "pro", "legacy-1.1", directory=block, **policies)


def contacts_api(user, method, contact=None, json=None):
    """A request of a user's client to the contact management."""
    path = f"{CLIENT}/user/{url_part(user.user_id)}/openid/request_token"
    token = user.request("POST", path, {}).raise_for_status().json()["access_token"]
    where = CONTACTS if contact is None else f"{CONTACTS}/{url_part(contact)}"
    headers = {"Authorization": f"Bearer {token}", "Mxid": user.user_id}
    url = user.base_url + where
    return loopback.request(method, url, headers=headers, json=json)


def approve(user, contact, start=-HOUR_S, end=None):
    """Put somebody on a user's approval list, from and to a number of seconds from now."""
    now = int(time.time())
    window = {"start": now + start} if end is None else {"start": now + start, "end": now + end}
    body = {"displayName": "Musterfrau, Erika", "mxid": contact.user_id, "inviteSettings": window}
    contacts_api(user, "POST", json=body).raise_for_status()


def disapprove(user, contact):
    """Take somebody off a user's approval list."""
    contacts_api(user, "DELETE", contact.user_id).raise_for_status()


@attrs.define
class LegacyWorld:
    """The running servers, and the TI around them."""

    ti: TiSimulator
    failing: TiSimulator
    clinic: SynapseServer
    ward: SynapseServer
    practice: SynapseServer
    insurer: SynapseServer
    lax: SynapseServer
    _numbers: itertools.count = attrs.field(factory=itertools.count)

    @property
    def servers(self):
        return (self.clinic, self.ward, self.practice, self.insurer, self.lax)

    def user(self, server=None, admin=False):
        """A new user of a server, the clinic by default, where its clients log in."""
        server = server or self.clinic
        return at_worker(server, server.register(f"user{next(self._numbers)}", admin=admin))

    def list_in_directory(self, user, kind, *, uri=True, status="active", active=True, ti=None):
        """List a user as ``org``, ``pract``, both (``orgPract``) or not at all (``None``)."""
        entries = (ti or self.ti).entries
        address = attrs.evolve(ListedAddress.of_user(user.user_id, uri=uri), status=status)
        if kind in ("org", "orgPract"):
            entries.add_organisation("Klinik", [address], active=active)
        if kind in ("pract", "orgPract"):
            entries.add_practitioner("Musterfrau, Erika", [address], active=active)

    def asked(self):
        """How often the directory was asked about a user."""
        return self.ti.count(LOCALIZATION)

    def settle(self):
        """Wait until every process enforces the directory's list."""
        for server in self.servers[:-1]:
            wait_for(lambda server=server: versions_at(server) == {self.ti.version})
