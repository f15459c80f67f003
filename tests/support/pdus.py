"""Events that a server signs and another one would never send: made and delivered by hand."""

import secrets
import time

from synapse.api.room_versions import KNOWN_ROOM_VERSIONS
from synapse.crypto.event_signing import add_hashes_and_signatures
from synapse.events import make_event_from_dict


def signed(server, pdu, version="10"):
    """An event that a server signs, and its id."""
    pdu = {"depth": 5, "prev_events": [], "auth_events": [], "origin_server_ts": now_ms(), **pdu}
    room_version = KNOWN_ROOM_VERSIONS[version]
    add_hashes_and_signatures(room_version, pdu, server.server_name, server.federation.signing_key)
    return pdu, make_event_from_dict(dict(pdu), room_version).event_id


def now_ms():
    return int(time.time() * 1000)


def next_in_room(server, user, room, pdu, auth, version="10", **fields):
    """An event that follows the newest one of a room as its server knows it.

    Args:
        auth: the types and state keys of the state that permits it, beside the sender's membership.
        version: of the room.
        fields: of the event, in place of those that follow from the room.
    """
    path = f"/_synapse/admin/v1/rooms/{room}/forward_extremities"
    newest = user.request("GET", path).raise_for_status().json()["results"]
    state = user.request("GET", f"/_matrix/client/v3/rooms/{room}/state").raise_for_status().json()
    ids = {(event["type"], event["state_key"]): event["event_id"] for event in state}
    return signed(
        server,
        {
            **pdu,
            "room_id": room,
            "sender": user.user_id,
            "prev_events": [each["event_id"] for each in newest],
            "auth_events": [ids[key] for key in (*auth, ("m.room.member", user.user_id))],
            "depth": max(each["depth"] for each in newest) + 1,
            **fields,
        },
        version,
    )


def send(server, to, *pdus):
    """Deliver events as a transaction; the answer for each, by its id."""
    body = {"origin": server.server_name, "origin_server_ts": now_ms(), "pdus": list(pdus)}
    path = f"/_matrix/federation/v1/send/{secrets.token_hex(8)}"
    answer = server.federation_request("PUT", path, to=to, content=body)
    return answer.raise_for_status().json()["pdus"]


#: What permits an invitation, beside the inviter's own membership.
INVITATION = [("m.room.create", ""), ("m.room.power_levels", ""), ("m.room.join_rules", "")]
