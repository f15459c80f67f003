"""The story of the demo: real requests to real servers, each with the answer that the requirement demands."""

from collections.abc import Iterator

from synapse_tim.demo.attempt import FORBIDDEN, Attempt, invited, seen
from synapse_tim.demo.legacy import legacy
from synapse_tim.demo.logins import logins
from synapse_tim.demo.rulebook import events, invitations, rooms
from synapse_tim.demo.world import DemoWorld
from synapse_tim.testing import MatrixUser, SynapseServer, wait_for

_VERSION = "/_matrix/federation/v1/version"
_USERINFO = "/_matrix/federation/v1/openid/userinfo?access_token=unknown"


def play(world: DemoWorld) -> Iterator[Attempt]:
    """Tell the story; each attempt is made when it is asked for."""
    yield from logins(world)
    yield from _members_talk(world)
    yield from _strangers_do_not(world)
    yield from invitations(world)
    yield from legacy(world)
    yield from rooms(world)
    yield from events(world)
    yield from _what_stays_open(world)
    yield from _leaving_and_returning(world)
    yield from _forged_lists(world)


def _members_talk(world: DemoWorld) -> Iterator[Attempt]:
    room = world.doctor.create_room(preset="private_chat", invite=[world.physician.user_id])
    yield Attempt(
        "AF_10064-02",
        "the hospital's doctor invites the practice's physician",
        "invited",
        invited(world.physician, room),
    )
    joined = world.physician.join(room, via=[world.hospital.server_name])
    yield Attempt("AF_10064-02", "the physician joins", "200", joined)
    yield _message(world.physician, world.doctor, room, "the physician writes to the doctor", "arrives")
    other = world.practice.server_name
    room = world.physician.create_room(invite=[world.insured.user_id])
    yield Attempt(
        "AF_10064-02",
        "the physician invites the insurer's insured person",
        "invited",
        invited(world.insured, room),
    )
    yield _version(
        world, world.practice, "A_26331", "the practice asks the hospital for its version, signed", "200"
    )
    world.insured.join(room, via=[other])


def _strangers_do_not(world: DemoWorld) -> Iterator[Attempt]:
    stranger = world.stranger.user_id
    room = world.doctor.create_room()
    yield Attempt(
        "AF_10064-02",
        "the doctor invites the outsider's stranger",
        FORBIDDEN,
        world.doctor.invite(room, stranger),
    )
    before = world.doctor.joined_rooms()
    yield Attempt(
        "AF_10064-02",
        "the doctor creates a room with the stranger",
        FORBIDDEN,
        world.doctor.try_create_room(invite=[stranger]),
    )
    left = world.doctor.joined_rooms() - before
    yield Attempt("AF_10064-02", "rooms left behind by that", "0", str(len(left)))
    yield Attempt(
        "AF_10064-02", "the doctor looks at the stranger's profile", FORBIDDEN, world.doctor.profile(stranger)
    )
    yield _version(
        world, world.outsider, "A_25534", "the outsider asks the hospital for its version, signed", FORBIDDEN
    )
    room = world.stranger.create_room()
    world.stranger.invite(room, world.doctor.user_id)
    yield Attempt(
        "A_25534",
        "the stranger invites the doctor",
        "nothing",
        "invited" if room in world.doctor.invited_to() else "nothing",
    )


def _what_stays_open(world: DemoWorld) -> Iterator[Attempt]:
    yield Attempt(
        "A_26331",
        "anyone asks the hospital for its version, unsigned",
        "401 M_UNAUTHORIZED",
        world.hospital.anonymous_request("GET", _VERSION),
    )
    yield Attempt(
        "R1.19",
        "the directory asks about an OpenID token, unsigned",
        "401 M_UNKNOWN_TOKEN",
        world.hospital.anonymous_request("GET", _USERINFO),
    )
    yield Attempt(
        "R1.19",
        "anyone asks the hospital for its keys",
        "200",
        world.hospital.anonymous_request("GET", "/_matrix/key/v2/server"),
    )


def _leaving_and_returning(world: DemoWorld) -> Iterator[Attempt]:
    room = world.doctor.create_room(invite=[world.physician.user_id])
    world.doctor.invite(room, world.nurse.user_id).raise_for_status()
    wait_for(lambda: room in world.physician.invited_to(), what="the invitation")
    world.physician.join(room, via=[world.hospital.server_name]).raise_for_status()
    world.nurse.join(room).raise_for_status()

    world.ti.remove(world.practice.server_name)
    world.settle()
    yield _version(
        world,
        world.practice,
        "AF_10064-02",
        "the directory removes the practice; it asks the hospital for its version",
        FORBIDDEN,
    )
    yield Attempt(
        "AF_10064-02",
        "the doctor looks at the physician's profile",
        FORBIDDEN,
        world.doctor.profile(world.physician.user_id),
    )
    yield _message(world.doctor, world.nurse, room, "the doctor writes to the nurse next door", "arrives")

    world.ti.add(world.practice.server_name)
    world.settle()
    yield _version(
        world,
        world.practice,
        "AF_10064-02",
        "the practice is back; it asks the hospital for its version",
        "200",
    )
    yield _message(world.physician, world.doctor, room, "the physician writes to the doctor", "arrives")


def _forged_lists(world: DemoWorld) -> Iterator[Attempt]:
    outsider = world.outsider.server_name
    world.ti.faults.bad_signature = True
    world.ti.add(outsider)
    yield Attempt(
        "R1.7",
        "a list that names the outsider, with a bad signature",
        "refused: signature_invalid",
        _refused(world, "signature_invalid"),
    )
    world.ti.remove(outsider)
    world.ti.faults.reset()
    world.ti.faults.wrong_role = True
    yield Attempt(
        "R1.4",
        "a list signed by a service that is not the directory",
        "refused: signer_role",
        _refused(world, "signer_role"),
    )
    world.ti.faults.reset()
    world.settle()
    world.ti.faults.rollback = 1
    yield Attempt("R1.7", "an older list, served again", "refused: rollback", _refused(world, "rollback"))
    world.ti.faults.reset()
    yield _version(
        world,
        world.outsider,
        "A_25534",
        "after all that the outsider asks the hospital for its version",
        FORBIDDEN,
    )
    yield _version(world, world.practice, "R1.7", "and so does the practice", "200")


def _version(world: DemoWorld, server: SynapseServer, requirement: str, what: str, expected: str) -> Attempt:
    """A signed request for the hospital's version."""
    answer = server.federation_request("GET", _VERSION, to=world.hospital)
    return Attempt(requirement, what, expected, answer)


def _message(sender: MatrixUser, reader: MatrixUser, room: str, what: str, expected: str) -> Attempt:
    sender.send(room, what).raise_for_status()
    return Attempt("AF_10064-02", what, expected, seen(lambda: what in reader.texts(room), "arrives"))


def _refused(world: DemoWorld, reason: str) -> str:
    try:
        world.wait_for_refusal(reason)
    except TimeoutError:
        return "not refused"
    return f"refused: {reason}"
