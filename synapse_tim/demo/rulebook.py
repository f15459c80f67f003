"""The part of the demo's story about invitations, rooms and events."""

from collections.abc import Iterator
from typing import Final

import httpx

from synapse_tim.demo.attempt import FORBIDDEN, Attempt, answer, invited
from synapse_tim.demo.world import DemoWorld

_PERMISSIONS: Final = "de.gematik.tim.account.permissionconfig.pro.v1"
_THUMB: Final = "\N{THUMBS UP SIGN}\N{EMOJI MODIFIER FITZPATRICK TYPE-4}"
_ENCRYPTION: Final = "m.room.encryption"
_CLIENT: Final = "/_matrix/client/v3"


def invitations(world: DemoWorld) -> Iterator[Attempt]:
    """Insured persons, permission configurations, one invitation at a time."""
    room = world.insured.create_room()
    yield Attempt(
        "AF_10233",
        "the insured person invites a neighbour, insured at the same insurer",
        FORBIDDEN,
        world.insured.invite(room, world.neighbour.user_id),
    )
    yield Attempt(
        "A_25704",
        "the insured person invites the doctor",
        "200",
        world.insured.invite(room, world.doctor.user_id),
    )
    world.doctor.put_account_data(_PERMISSIONS, {"defaultSetting": "block all"}).raise_for_status()
    room = world.physician.create_room()
    yield Attempt(
        "A_26021-01",
        "the doctor blocks all; the physician invites the doctor",
        FORBIDDEN,
        world.physician.invite(room, world.doctor.user_id),
    )
    yield Attempt(
        "A_26021-01",
        "what the doctor sees of that",
        "nothing",
        "an invitation" if room in world.doctor.invited_to() else "nothing",
    )
    exception = {"defaultSetting": "block all", "userExceptions": {world.physician.user_id: {}}}
    world.doctor.put_account_data(_PERMISSIONS, exception).raise_for_status()
    world.physician.invite(room, world.doctor.user_id)
    yield Attempt(
        "A_26021-01",
        "the doctor makes an exception; the physician invites again",
        "invited",
        invited(world.doctor, room),
    )
    yield Attempt(
        "A_26390",
        "the doctor stores a permission configuration with a spelling mistake",
        "400 M_BAD_JSON",
        world.doctor.put_account_data(_PERMISSIONS, {"defaultSetting": "block-all"}),
    )
    world.doctor.put_account_data(_PERMISSIONS, {"defaultSetting": "allow all"}).raise_for_status()
    guests = [world.nurse.user_id, world.physician.user_id]
    yield _no_room(world, "A_25368-01", "with two guests at once", "400 M_FORBIDDEN", invite=guests)


def rooms(world: DemoWorld) -> Iterator[Attempt]:
    """What rooms may be, and who enters and finds them."""
    yield _no_room(world, "A_26203", "of version 12", "400 M_UNSUPPORTED_ROOM_VERSION", room_version="12")
    room = world.doctor.create_room(preset="public_chat", visibility="public", name="Canteen")
    yield Attempt(
        "A_26515-01",
        "the doctor creates a public room; whether it federates",
        "False",
        str(world.doctor.state(room, "m.room.create").json().get("m.federate", True)),
    )
    yield Attempt("A_26515-01", "the nurse joins it", "200", world.nurse.join(room))
    yield Attempt(
        "A_26515-01",
        "the physician joins it from the practice",
        FORBIDDEN,
        world.physician.join(room, via=[world.hospital.server_name]),
    )
    private = world.doctor.create_room()
    rule = world.doctor.put_state(private, "m.room.join_rules", {"join_rule": "public"})
    yield Attempt("A_28271", "the doctor makes a private room public later", "400 M_INVALID_ROOM_STATE", rule)
    algorithm = str(world.doctor.state(private, _ENCRYPTION).json().get("algorithm"))
    yield Attempt("A_25323-01", "how a private room is encrypted", "m.megolm.v1.aes-sha2", algorithm)
    yield Attempt(
        "A_25324-01",
        "the doctor takes the encryption away",
        "400 M_INVALID_ROOM_STATE",
        world.doctor.put_state(private, _ENCRYPTION, {}),
    )
    yield Attempt(
        "A_25996",
        "the insured person creates a public room",
        FORBIDDEN,
        world.insured.try_create_room(preset="public_chat"),
    )
    listed = httpx.get(f"{world.insurer.client_url}{_CLIENT}/publicRooms", trust_env=False)
    yield Attempt("A_28587", "anyone asks the insurer for its public rooms", FORBIDDEN, listed)


def events(world: DemoWorld) -> Iterator[Attempt]:
    """What may be sent."""
    room = world.doctor.create_room()
    message = world.doctor.send(room, "all is well").raise_for_status().json()["event_id"]
    for key, expected in (
        ("ok", "400 M_BAD_JSON"),
        ("\N{THUMBS UP SIGN}\N{EMOJI MODIFIER FITZPATRICK TYPE-4}", "200"),
    ):
        relation = {"rel_type": "m.annotation", "event_id": message, "key": key}
        reaction = world.doctor.send_event(room, "m.reaction", {"m.relates_to": relation})
        yield Attempt("A_26228-01", f"the doctor reacts with {key}", expected, reaction)
    path = f"{_CLIENT}/rooms/{room}/redact/{message}/1"
    yield Attempt(
        "A_28358", "the doctor redacts the message within a day", "200", world.doctor.request("PUT", path, {})
    )
    yield Attempt(
        "A_26015-02",
        "the insured person writes in clear text in an encrypted room",
        "400 M_FORBIDDEN",
        world.insured.send(world.insured.create_room(), "in the clear"),
    )
    name = world.doctor.request(
        "PUT", f"{_CLIENT}/profile/{world.doctor.user_id}/displayname", {"displayname": "Professor"}
    )
    yield Attempt("R4.15", "the doctor takes another display name", FORBIDDEN, name)


def _no_room(world: DemoWorld, requirement: str, what: str, expected: str, **body: object) -> Attempt:
    """A room that is refused; if one is left behind, that is what happened."""
    before = world.doctor.joined_rooms()
    refused = answer(world.doctor.try_create_room(**body))
    left = len(world.doctor.joined_rooms() - before)
    happened = f"{refused}, {left} left behind" if left else refused
    return Attempt(requirement, f"the doctor creates a room {what}", expected, happened)
