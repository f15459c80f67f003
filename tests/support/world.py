"""The servers of the scenarios, and what scenarios do over and over.

- ``hospital``, ``practice``: members, product pro; ``insurer``, ``fund``: members, product epa. All enforce
  spec 1.2.
- ``lax``: a member that enforces nothing, as another vendor's faulty server might.

With ``--with-workers`` the hospital and the insurer consist of several processes: federation arrives at one
worker, clients at another, and the main process serves what only it can. With ``--with-mas`` a stand-in for
Matrix Authentication Service logs in the users of those that enforce.
"""

import contextlib
import itertools
import json
import secrets
import sqlite3
import time

import attrs
import yaml

from synapse_tim.core.refusal import Refusal
from synapse_tim.testing import MatrixUser, SynapseServer, TiSimulator, WorkerDeployment, loopback, wait_for

CLIENT = "/_matrix/client/v3"
PRO = "de.gematik.tim.account.permissionconfig.pro.v1"
EPA = "de.gematik.tim.account.permissionconfig.epa.v1"
ENCRYPTED = {"type": "m.room.encryption", "state_key": "", "content": {"algorithm": "m.megolm.v1.aes-sha2"}}
#: What a lax server has to be told.
PRIVATE = {"room_version": "10", "preset": "private_chat", "initial_state": [ENCRYPTED]}
#: All products and generations in force.
GENERATIONS = {
    "pro 1.1": ("pro", "1.1"),
    "pro 1.2": ("pro", "1.2"),
    "epa 1.1": ("epa", "1.1"),
    "epa 1.2": ("epa", "1.2"),
    "legacy": ("pro", "legacy-1.1"),
}
LONG_AGO_MS = 25 * 60 * 60 * 1000


def code(response):
    """Status and errcode of an answer."""
    try:
        return response.status_code, response.json().get("errcode")
    except ValueError:
        return response.status_code, response.text


@attrs.define
class WorkerUser(MatrixUser):
    """A user whose requests go to a worker, and to the main process if the worker does not serve them."""

    main_url: str = ""

    def request(self, method, path, json=None, **options):
        answer = super().request(method, path, json, **options)
        if answer.status_code == 404 and code(answer)[1] == "M_UNRECOGNIZED":
            main = MatrixUser(self.user_id, self.access_token, self.main_url, self.device_id)
            return main.request(method, path, json, **options)
        return answer


@attrs.frozen
class AppService:
    """Something that may send events in the past, for any user of a server."""

    token: str = attrs.field(factory=lambda: secrets.token_hex(16))

    def install(self, server):
        """Register it in the configuration of a server that has not started."""
        path = server.directory / "appservice.yaml"
        registration = {
            "id": "past",
            "as_token": self.token,
            "hs_token": secrets.token_hex(16),
            "url": None,
            "sender_localpart": "past",
            "rate_limited": False,
            "namespaces": {"users": [{"regex": "@.*", "exclusive": False}]},
        }
        path.write_text(yaml.safe_dump(registration))
        server.config["app_service_config_files"] = [str(path)]

    def send(self, user, room, kind, content, age_ms=LONG_AGO_MS):
        """Have a user send an event some time ago; returns its id."""
        sent_at = int(time.time() * 1000) - age_ms
        answer = loopback.put(
            f"{user.base_url}{CLIENT}/rooms/{room}/send/{kind}/{secrets.token_hex(8)}",
            params={"user_id": user.user_id, "ts": sent_at},
            headers={"Authorization": f"Bearer {self.token}"},
            json=content,
        )
        return answer.raise_for_status().json()["event_id"]


#: A server that does not deliver an invitation as one if the inviter says so, and that adds events that it
#: has been given to the auth chain or the state of each join.
FAULTY = """
import json
import pathlib

class Faulty:
    def __init__(self, config, api):
        federation = api._hs.get_federation_server()
        answer = federation.on_send_join_request

        async def on_send_join_request(*args, **kwargs):
            joined = await answer(*args, **kwargs)
            planted = pathlib.Path(config["planted"])
            if planted.exists():
                for name, pdus in json.loads(planted.read_text()).items():
                    joined[name] = [*joined[name], *pdus]
            return joined

        federation.on_send_join_request = on_send_join_request
        handler = api._hs.get_federation_handler()
        deliver = handler.send_invite

        async def send_invite(host, event, *more):
            silently = event.content.get("reason") == "silently"
            return event if silently else await deliver(host, event, *more)

        handler.send_invite = send_invite

    @staticmethod
    def parse_config(config):
        return config
"""


def make_faulty(server):
    """Give a server that has not started a fault."""
    (server.directory / "faulty.py").write_text(FAULTY)
    config = {"planted": str(server.directory / "planted.json")}
    server.config["modules"] = [{"module": "faulty.Faulty", "config": config}]


@contextlib.contextmanager
def planted(server, *pdus, where="auth_chain"):
    """Have a faulty server add events to the auth chain or the state of each join."""
    path = server.directory / "planted.json"
    path.write_text(json.dumps({where: pdus}))
    try:
        yield
    finally:
        path.unlink()


def invite_silently(inviter, room, invitee):
    """An invitation that is in the room, and that nobody delivers."""
    content = {"membership": "invite", "reason": "silently"}
    return inviter.put_state(room, "m.room.member", content, invitee.user_id).raise_for_status()


def module(ti, product="pro", spec_version="1.2", **policies):
    """The entry of ``modules:``."""
    block = {
        "product": product,
        "spec_version": spec_version,
        "federation_list": ti.federation_list_config(),
        **({"login": {"permitted": ["password"]}} if product == "pro" else {}),
        **policies,
    }
    return {"module": "synapse_tim.TiMessenger", "config": block}


def with_mas(request):
    """Options of a server: whether Matrix Authentication Service logs its users in (``--with-mas``)."""
    return {"mas": {}} if request.config.getoption("--with-mas") else {}


@attrs.define
class World:
    """The servers and the directory that lists them."""

    ti: TiSimulator
    hospital: SynapseServer
    practice: SynapseServer
    insurer: SynapseServer
    fund: SynapseServer
    lax: SynapseServer
    past: AppService
    _numbers: itertools.count = attrs.field(factory=itertools.count)

    @property
    def enforcing(self):
        return (self.hospital, self.practice, self.insurer, self.fund)

    @property
    def servers(self):
        return (*self.enforcing, self.lax)

    def user(self, server, name="user", admin=False, displayname=None):
        """A new user of a server, where its clients log in."""
        user = server.register(f"{name}{next(self._numbers)}", admin=admin)
        return at_worker(server, user)

    def settle(self):
        """Wait until every process enforces the directory's list."""
        for server in self.enforcing:
            wait_for(lambda server=server: versions_at(server) == {self.ti.version})


def at_worker(server, user):
    """The same session where clients of the server are served."""
    if not isinstance(server, WorkerDeployment):
        return user
    worker = server.workers[-1]
    return WorkerUser(user.user_id, user.access_token, worker.client_url, user.device_id, server.client_url)


def error_text(answer):
    """The text of an error without its reference, which is in the JSON as well."""
    body = answer.json()
    text, reference = body["error"], body.get("synapse_tim.reference")
    return text if reference is None else text.removesuffix(f" [Reference: {reference}]")


def without_reference(answer):
    """The whole answer, but for its reference, which is another one in each answer."""
    body = answer.json()
    reference = body.get("synapse_tim.reference") if isinstance(body, dict) else None
    return answer.text if reference is None else answer.text.replace(reference, "…")


def refusals(server, reference):
    """What the logs of all processes of a server say about a reference; processes may share a log."""
    logs = [process.log_text() for process in (server, *getattr(server, "workers", ()))]
    lines = [line for log in logs for line in log.splitlines() if reference in line and "Refused: " in line]
    return [*dict.fromkeys(Refusal.parse(line) for line in lines)]


def log_in_again(server, user):
    """A further session of a user."""
    if server.mas is None:
        return MatrixUser.log_in(server.client_url, user.localpart, "password")
    token, device = server.mas.issue_compatibility_token(user.localpart)
    return MatrixUser(user.user_id, token, server.client_url, device)


def log_out(server, user):
    """End a user's session, where a reverse proxy would send the request."""
    url = server.client_url if server.mas is None else server.mas.url
    headers = {"Authorization": f"Bearer {user.access_token}"}
    loopback.post(f"{url}{CLIENT}/logout", json={}, headers=headers).raise_for_status()


def deactivate(server, user):
    """Have a user give up their account."""
    if server.mas is not None:
        server.mas.lock_user(user.localpart, deactivate=True)
        return
    identifier = {"type": "m.id.user", "user": user.user_id}
    proof = {"type": "m.login.password", "identifier": identifier, "password": "password"}
    user.request("POST", f"{CLIENT}/account/deactivate", {"auth": proof}).raise_for_status()


def versions_at(server):
    name = "synapse_tim_federation_list_version"
    processes = [server, *getattr(server, "workers", ())]
    return {process.metrics().get(name, 0) for process in processes}


def decisions(server, policy, rule, outcome):
    """How often a decision was made, in all processes of a server."""
    name = f'synapse_tim_decisions_total{{outcome="{outcome}",policy="{policy}",rule="{rule}"}}'
    return sum(process.metrics().get(name, 0) for process in [server, *getattr(server, "workers", ())])


def invited(guest, room):
    """Wait for an invitation to arrive."""
    wait_for(lambda: room in guest.invited_to(), what="the invitation")


def together(host, *guests, **body):
    """A room of the host in which all the guests are."""
    room = host.create_room(**body)
    for guest in guests:
        host.invite(room, guest.user_id).raise_for_status()
        invited(guest, room)
        guest.join(room, via=[host.server_name]).raise_for_status()
    return room


def say(user, room, text):
    """Send what looks like an encrypted message, as insured persons have to, with a text for ``heard``."""
    return user.send_event(room, "m.room.encrypted", {**ENCRYPTED["content"], "ciphertext": text})


def heard(user, room):
    """The texts of the newest messages in a room, newest first, in the clear or by ``say``."""
    contents = [event["content"] for event in user.messages(room)]
    return [content.get("ciphertext", content.get("body", "")) for content in contents]


@contextlib.contextmanager
def listed_as(world, server, **entry):
    """The directory lists a server in another way, or not at all."""
    world.ti.remove(server.server_name)
    if entry:
        world.ti.add(server.server_name, **entry)
    world.settle()
    try:
        yield
    finally:
        if entry:
            world.ti.remove(server.server_name)
        world.ti.add(server.server_name)
        world.settle()


def allow(user, kind=PRO, **document):
    """Store a permission configuration."""
    user.put_account_data(kind, {"defaultSetting": "allow all", **document}).raise_for_status()


def block(user, kind=PRO, **document):
    """Store a permission configuration that refuses."""
    user.put_account_data(kind, {"defaultSetting": "block all", **document}).raise_for_status()


def in_database(server, statement, arguments=(), fetch=False):
    """Change or read a running server's database; ``{0}`` stands for each argument."""
    if isinstance(server, WorkerDeployment):
        import psycopg2

        arguments_of = server.config["database"]["args"]
        arguments_of = {key: arguments_of[key] for key in arguments_of if not key.startswith("cp_")}
        connection = psycopg2.connect(**arguments_of)
        place = "%s"
    else:
        connection = sqlite3.connect(server.directory / "homeserver.db", timeout=120)
        place = "?"
    try:
        with connection:
            cursor = connection.cursor()
            cursor.execute(statement.format(place), arguments)
            return cursor.fetchall() if fetch else None
    finally:
        connection.close()
