"""The servers of the scenarios about information services, and what scenarios do over and over.

- ``clinic``: product pro, with everything there is: information, support contacts, clients' reports.
- ``practice``: product pro; accepts access tokens, has a support page only, and says so about itself.
- ``insurer``: product epa, and nothing configured.

With ``--with-workers`` the clinic consists of several processes, and clients are served by a worker.
"""

import itertools
import re

import attrs

from synapse_tim.testing import SynapseServer, TiSimulator, loopback
from synapse_tim.testing.servers.client import url_part
from tests.support.world import CLIENT, at_worker, in_database, module

INFORMATION = "/tim-information"
FIND = f"{INFORMATION}/v1/server/findByIk"
IS_INSURANCE = f"{INFORMATION}/v1/server/isInsurance"
REPORT = "/tim-client-report/report"
SUPPORT = "/.well-known/matrix/support"
IK, OTHER_IK, UNKNOWN_IK = "109500969", "109999994", "999999999"
OTHER_INSURER = "kk.example:8448"
CONTACTS = [
    {"role": "m.role.admin", "email_address": "support@clinic.example", "matrix_id": "@help:clinic.example"},
    {"role": "m.role.security", "email_address": "security@clinic.example"},
]
PAGE = "https://clinic.example/help?lang=de#top"
START = "2026-03-23T12:13:23.183Z"

__all__ = ["CLIENT", "in_database", "module"]


def send(user, method, path, **options):
    """A request without anybody's token."""
    return loopback.request(method, user.base_url + path, **options)


def open_id_token(user):
    """A token that says who somebody is, and no more."""
    path = f"{CLIENT}/user/{url_part(user.user_id)}/openid/request_token"
    return user.request("POST", path, {}).raise_for_status().json()["access_token"]


@attrs.frozen
class Asking:
    """Somebody who asks the information service where clients of their server are served."""

    base_url: str
    token: str = attrs.field(repr=False)

    def get(self, path, method="GET", **params):
        return loopback.request(
            method,
            self.base_url + path,
            params=params or None,
            headers={"Authorization": f"Bearer {self.token}"},
        )


def asking(user):
    return Asking(user.base_url, open_id_token(user))


def refused(response, code):
    """The status, after a look at the form of the error."""
    body = response.json()
    assert body.keys() == {"errorCode", "errorMessage"}
    assert body["errorCode"] == code
    assert isinstance(body["errorMessage"], str) and body["errorMessage"]
    assert response.headers["Content-Type"] == "application/json"
    assert response.headers["Access-Control-Allow-Origin"] == "*"
    return response.status_code


def entry(procedure="de.gematik.questionnaire.generic", version="v1", number=1, **more):
    return {"Fachverfahren": procedure, "Version": version, "Anzahl": number, **more}


def events(server, direction, procedure, version):
    """How many events have been reported, in all processes of a server."""
    name = "synapse_tim_client_report_events_total"
    key = f'{name}{{direction="{direction}",procedure="{procedure}",version="{version}"}}'
    return sum(each.metrics().get(key, 0) for each in [server, *getattr(server, "workers", ())])


def rows(server):
    """The table of reports."""
    return in_database(server, "SELECT * FROM synapse_tim_client_reports ORDER BY 1, 2, 3, 4", fetch=True)


def lines_of_ours(server):
    """What this project has written to the log."""
    return [line for line in server.log_text().splitlines() if re.search(r" synapse_tim\.\S+ [A-Z]+ ", line)]


@attrs.define
class InformationWorld:
    """The servers, and the TI around them."""

    ti: TiSimulator
    clinic: SynapseServer
    practice: SynapseServer
    insurer: SynapseServer
    other_listeners: dict
    _numbers: itertools.count = attrs.field(factory=itertools.count)

    @property
    def servers(self):
        return (self.clinic, self.practice, self.insurer)

    def user(self, server=None, admin=False):
        """A new user, where clients of the server are served."""
        server = server or self.clinic
        return at_worker(server, server.register(f"user{next(self._numbers)}", admin=admin))
