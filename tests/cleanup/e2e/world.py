"""The servers of the scenarios, and time that passes quickly.

- ``clinic``: product pro, spec 1.1; ``hospital``: product pro, spec 1.2; ``insurer``: product epa, spec 1.2;
  ``fund``: product epa, spec 1.1. All clean up every second.
- ``lax``: a member that enforces nothing.

Time passes by moving what a room's events say of their arrival. With ``--with-workers`` the hospital consists
of several processes, and a worker cleans up.
"""

import contextlib
import sqlite3

import attrs

from synapse_tim.testing import SynapseServer, TiSimulator, WorkerDeployment, wait_for
from tests.support.world import at_worker, in_database, module

DAY_MS = 24 * 60 * 60 * 1000
WEEK_MS = 7 * DAY_MS
LAST_RUN = "synapse_tim_cleanup_last_run_timestamp_seconds"


@attrs.define
class CleanupWorld:
    """The running servers."""

    ti: TiSimulator
    clinic: SynapseServer
    hospital: SynapseServer
    insurer: SynapseServer
    fund: SynapseServer
    lax: SynapseServer
    _number: int = 0

    @property
    def servers(self):
        return (self.clinic, self.hospital, self.insurer, self.fund, self.lax)

    def user(self, server, admin=False):
        """A new user of a server."""
        self._number += 1
        return at_worker(server, server.register(f"user{self._number}", admin=admin))

    def notice_to(self, server, user):
        """The room of a server notice that a user has just accepted."""
        body = {"user_id": user.user_id, "content": {"msgtype": "m.text", "body": "maintenance"}}
        administrator = self.user(server, admin=True)
        administrator.request("POST", "/_synapse/admin/v1/send_server_notice", body).raise_for_status()
        (room,) = user.invited_to()
        user.join(room).raise_for_status()
        return room


def cleaning(ti, product, spec_version, **cleanup):
    """The entry of ``modules:``; messages in the clear leave more behind that has to be cleaned up."""
    events = {"require_encryption": False}
    return module(ti, product, spec_version, cleanup={"interval": "1s", **cleanup}, events=events)


def rows(server, statement, arguments=()):
    """Ask a running server's database."""
    if isinstance(server, WorkerDeployment):
        import psycopg2

        found = server.config["database"]["args"]
        connection = psycopg2.connect(**{key: found[key] for key in found if not key.startswith("cp_")})
        statement = statement.replace("?", "%s")
    else:
        connection = sqlite3.connect(server.directory / "homeserver.db", timeout=120)
    try:
        cursor = connection.cursor()
        cursor.execute(statement, arguments)
        return cursor.fetchall()
    finally:
        connection.close()


def wait_long(server, room, milliseconds, where="state_key IS NOT NULL OR state_key IS NULL"):
    """Let everything in a room have arrived earlier, or only some events."""
    in_database(
        server,
        f"UPDATE events SET received_ts = received_ts - {{0}} WHERE room_id = {{0}} AND ({where})",
        (milliseconds, room),
    )


def wait_until_updated(server):
    """Wait for the updates of a new database, during which Synapse's own deletions of rooms may fail."""
    statement = "SELECT COUNT(*) FROM background_updates"
    wait_for(lambda: rows(server, statement) == [(0,)], what="the updates of the database")


def exists(server, room):
    """Whether a server has anything of a room."""
    ((events,),) = rows(server, "SELECT COUNT(*) FROM events WHERE room_id = ?", (room,))
    ((known,),) = rows(server, "SELECT COUNT(*) FROM rooms WHERE room_id = ?", (room,))
    return bool(events or known)


def is_deleted(server, room):
    """Wait for a room to go."""
    wait_for(lambda: not exists(server, room), what="the room to be deleted")
    return True


@contextlib.contextmanager
def not_purged(server, room):
    """Hold back the second step, the purge: another server, which is down, still has to be told.

    With a round each second a client's sync might otherwise begin before the first step and be answered after
    the second, and show nothing.
    """
    destination = f"{room.strip('!').split(':')[0].lower()}.down.example"
    in_database(server, "INSERT INTO destinations (destination) VALUES ({0})", (destination,))
    in_database(
        server,
        "INSERT INTO destination_rooms (destination, room_id, stream_ordering) VALUES ({0}, {0}, 900000)",
        (destination, room),
    )
    try:
        yield
    finally:
        in_database(server, "DELETE FROM destination_rooms WHERE destination = {0}", (destination,))


def rounds(server, count=2):
    """Wait until a server has gone through all its rooms, from the beginning."""
    for _ in range(count):
        before = last_run(server)
        wait_for(lambda before=before: last_run(server) > before, what="a round of cleanup")


def last_run(server):
    """When a server last went through its rooms."""
    processes = [server, *getattr(server, "workers", ())]
    return max(process.metrics().get(LAST_RUN, 0) for process in processes)


def outcomes(server, kind, outcome):
    """How many rooms of a kind were dealt with in a way."""
    name = f'synapse_tim_cleanup_rooms_total{{kind="{kind}",outcome="{outcome}"}}'
    return sum(process.metrics().get(name, 0) for process in [server, *getattr(server, "workers", ())])
