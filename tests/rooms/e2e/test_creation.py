"""Which rooms may be created: A_26203, A_26248, A_28596, A_25481, A_25325-01, A_26515-01, A_25996."""

import secrets

import pytest

from synapse_tim.testing import SynapseServer, TiSimulator, loopback, wait_for
from tests.support.world import code, module, together

pytestmark = pytest.mark.servers

FORBIDDEN = (403, "M_FORBIDDEN")
ROOM_STATE = (400, "M_INVALID_ROOM_STATE")
BAD_JSON = (400, "M_BAD_JSON")
TYPE_V1 = "de.gematik.tim.roomtype.default.v1"
TYPE_V2 = "de.gematik.tim.roomtype.default.v2"


def state(kind, **content):
    return {"type": kind, "state_key": "", "content": content}


def join_rule(rule):
    return state("m.room.join_rules", join_rule=rule)


def history(visibility):
    return state("m.room.history_visibility", history_visibility=visibility)


def refused(user, expected, **body):
    """The answer to a room that must not be, and nothing is left behind."""
    before, status = user.joined_rooms(), user.try_create_room(**body)
    assert code(status) == expected, status.text
    assert user.joined_rooms() == before


def created(user, **body):
    """The contents of what was created, by type."""
    room = user.create_room(**body)
    events = user.request("GET", f"/_matrix/client/v3/rooms/{room}/state").json()
    return {event["type"]: event["content"] for event in events if event["type"] != "m.room.member"}


# Versions


@pytest.mark.parametrize("server", ["hospital", "insurer"])
def test_a_26248_rooms_have_version_10_unless_the_client_wants_9(world, server):
    user = world.user(getattr(world, server))
    assert created(user)["m.room.create"]["room_version"] == "10"
    assert created(user, is_direct=True)["m.room.create"]["room_version"] == "10"
    assert created(user, room_version="9")["m.room.create"]["room_version"] == "9"


@pytest.mark.one_process
@pytest.mark.parametrize("admin", [False, True])
@pytest.mark.parametrize("version", ["1", "8", "11", "12", "org.matrix.msc3757.10", "13", ""])
def test_a_26203_no_other_version_is_created(world, version, admin):
    user = world.user(world.hospital, admin=admin)
    refused(user, (400, "M_UNSUPPORTED_ROOM_VERSION"), room_version=version)


@pytest.mark.one_process
@pytest.mark.parametrize("version", [10, None, ["10"], {}])
def test_a_26203_a_version_is_a_string(world, version):
    refused(world.user(world.hospital), BAD_JSON, room_version=version)


def test_a_26203_creation_content_does_not_change_the_version(world):
    user = world.user(world.hospital)
    content = created(user, creation_content={"room_version": "12"})
    assert content["m.room.create"]["room_version"] == "10"


def test_a_26202_capabilities_agree(world):
    user = world.user(world.hospital)
    answer = user.request("GET", "/_matrix/client/v3/capabilities").json()
    versions = answer["capabilities"]["m.room_versions"]
    assert versions == {"default": "10", "available": {"9": "stable", "10": "stable"}}


@pytest.mark.one_process
def test_a_26202_the_operator_may_allow_others(ti, start, tmp_path):
    rooms = {"versions": ["10", "11"], "default_version": "11"}
    server = SynapseServer(
        "clinic",
        tmp_path / "clinic",
        ti.world,
        modules=[module(ti, rooms=rooms)],
        extra={"federation_domain_whitelist": []},
    )
    start(server)
    user = server.register("user")
    assert created(user)["m.room.create"]["room_version"] == "11"
    refused(user, (400, "M_UNSUPPORTED_ROOM_VERSION"), room_version="9")
    answer = user.request("GET", "/_matrix/client/v3/capabilities").json()
    assert answer["capabilities"]["m.room_versions"]["default"] == "11"


def test_a_26202_rooms_of_version_11_are_joined(world):
    leo, doctor = world.user(world.lax), world.user(world.hospital)
    room = together(leo, doctor, room_version="11", preset="private_chat")
    assert doctor.send(room, "hello").status_code == 200
    wait_for(lambda: "hello" in leo.texts(room), what="the message")


# Room types


@pytest.mark.parametrize("admin", [False, True])
@pytest.mark.requirement("A_25426", "A_25814-01")
def test_a_28596_the_type_of_the_next_generation_is_not_created(world, admin):
    user = world.user(world.hospital, admin=admin)
    refused(user, (400, "M_FORBIDDEN"), creation_content={"type": TYPE_V2})
    assert created(user, creation_content={"type": TYPE_V1})["m.room.create"]["type"] == TYPE_V1
    # Where it means nothing, it is let through.
    assert user.try_create_room(type=TYPE_V2).status_code == 200


def test_a_28595_but_joined(world):
    leo, doctor = world.user(world.lax), world.user(world.hospital)
    body = {"room_version": "10", "preset": "private_chat", "creation_content": {"type": TYPE_V2}}
    room = together(leo, doctor, **body)
    assert doctor.send(room, "hello").status_code == 200


@pytest.fixture(scope="module")
def of_1_1(tmp_path_factory):
    """A server of generation 1.1, for professionals."""
    with TiSimulator() as ti:
        server = SynapseServer(
            "clinic",
            tmp_path_factory.mktemp("of_1_1"),
            ti.world,
            modules=[module(ti, spec_version="1.1")],
            extra={"federation_domain_whitelist": []},
        )
        try:
            yield server.start().wait()
        finally:
            server.stop()


@pytest.mark.one_process
def test_a_28596_counts_from_1_2_on(of_1_1):
    server = of_1_1
    assert server.register("user").try_create_room(creation_content={"type": TYPE_V2}).status_code == 200


def test_a_26338_02_custom_state_passes(world):
    user = world.user(world.hospital)
    name = state("de.gematik.tim.room.name", name="Station 3")
    topic = state("de.gematik.tim.room.topic", topic="Visite")
    content = created(user, initial_state=[name, topic])
    assert content["de.gematik.tim.room.name"] == {"name": "Station 3"}
    assert content["de.gematik.tim.room.topic"] == {"topic": "Visite"}


# History visibility


@pytest.mark.parametrize("server", ["hospital", "insurer"])
@pytest.mark.requirement("A_25323-01")
def test_a_25481_the_history_is_for_the_invited_unless_the_client_says_otherwise(world, server):
    user = world.user(getattr(world, server))
    assert created(user)["m.room.history_visibility"] == {"history_visibility": "invited"}
    for visibility in ("joined", "shared", "invited"):
        content = created(user, initial_state=[history(visibility)])
        assert content["m.room.history_visibility"] == {"history_visibility": visibility}


@pytest.mark.one_process
@pytest.mark.parametrize("admin", [False, True])
@pytest.mark.parametrize("server", ["hospital", "insurer"])
@pytest.mark.requirement("A_25481", "A_25996")
def test_a_26515_01_the_world_does_not_read_rooms_that_may_federate(world, server, admin):
    user = world.user(getattr(world, server), admin=admin)
    refused(user, ROOM_STATE, initial_state=[history("world_readable")])
    refused(user, ROOM_STATE, initial_state=[history("world_readable"), history("joined")])
    refused(
        user,
        ROOM_STATE,
        initial_state=[history("world_readable")],
        creation_content={"m.federate": True},
    )


def test_a_26515_01_the_world_may_read_rooms_of_professionals_that_do_not(world):
    user = world.user(world.hospital)
    open_ = [history("world_readable")]
    content = created(user, initial_state=open_, creation_content={"m.federate": False})
    assert content["m.room.history_visibility"] == {"history_visibility": "world_readable"}
    content = created(user, initial_state=open_, preset="public_chat")
    assert content["m.room.create"]["m.federate"] is False
    assert content["m.room.history_visibility"] == {"history_visibility": "world_readable"}
    insured = world.user(world.insurer)
    refused(insured, ROOM_STATE, initial_state=open_, creation_content={"m.federate": False})


# Public rooms, pro

PUBLIC = [
    {"visibility": "public"},
    {"preset": "public_chat"},
    {"initial_state": [join_rule("public")]},
    {"visibility": "public", "preset": "private_chat"},
    {"preset": "public_chat", "creation_content": {"m.federate": True}},
    {"initial_state": [join_rule("public")], "creation_content": {"m.federate": True, "x": 1}},
    {"initial_state": [join_rule("public"), join_rule("invite")]},
]


@pytest.mark.one_process
@pytest.mark.parametrize("admin", [False, True])
@pytest.mark.parametrize("body", PUBLIC)
@pytest.mark.requirement("A_25325-01", "A_25324-01")
def test_a_26515_01_public_rooms_do_not_federate(world, body, admin):
    user = world.user(world.hospital, admin=admin)
    content = created(user, **body)
    assert content["m.room.create"]["m.federate"] is False
    assert content["m.room.create"].get("x") == body.get("creation_content", {}).get("x")


@pytest.mark.one_process
@pytest.mark.parametrize("body", PUBLIC)
def test_a_26515_nor_do_they_in_generation_1_1(of_1_1, body):
    user = of_1_1.register(f"user-{secrets.token_hex(4)}")
    assert created(user, **body)["m.room.create"]["m.federate"] is False
    assert created(user)["m.room.create"].get("m.federate", True) is True
    refused(user, FORBIDDEN, **{**body, "invite": ["@anybody:elsewhere.example"]})
    federating = user.create_room()
    path = f"/_matrix/client/v3/directory/list/room/{federating}"
    assert user.request("PUT", path, {"visibility": "public"}).status_code == 403


def test_a_25325_01_public_rooms_keep_the_history_of_their_preset(world):
    content = created(world.user(world.hospital), preset="public_chat", visibility="public")
    assert content["m.room.history_visibility"] == {"history_visibility": "shared"}


@pytest.mark.requirement("A_25324-01")
def test_a_26515_01_private_rooms_federate(world):
    content = created(world.user(world.hospital))
    assert content["m.room.create"].get("m.federate", True) is True


@pytest.mark.requirement("A_25325-01", "A_25324-01")
def test_a_26515_01_users_of_other_servers_are_not_invited_into_public_rooms(world):
    user, colleague = world.user(world.hospital), world.user(world.hospital)
    other = world.user(world.practice)
    for body in PUBLIC:
        refused(user, FORBIDDEN, **{**body, "invite": [other.user_id]})
    room = user.create_room(preset="public_chat", invite=[colleague.user_id])
    assert code(user.invite(room, other.user_id)) == FORBIDDEN
    admin = world.user(world.hospital, admin=True)
    admin.join(room).raise_for_status()
    member = {"membership": "invite"}
    assert code(admin.put_state(room, "m.room.member", member, other.user_id)) == FORBIDDEN
    assert other.invited_to() == set()


@pytest.mark.requirement("A_28590", "A_25325-01")
def test_a_26520_own_users_find_and_join_public_rooms_others_do_not(world):
    user, colleague = world.user(world.hospital), world.user(world.hospital)
    other, leo = world.user(world.practice), world.user(world.lax)
    alias = user.localpart
    room = user.create_room(preset="public_chat", visibility="public", room_alias_name=alias, name="Kantine")
    listed = colleague.request("POST", "/_matrix/client/v3/publicRooms", {}).json()["chunk"]
    assert room in [each["room_id"] for each in listed]
    for stranger in (other, leo):
        query = f"?server={world.hospital.server_name}"
        answer = stranger.request("GET", f"/_matrix/client/v3/publicRooms{query}")
        assert answer.status_code in (403, 502), answer.text
        named = f"#{alias}:{world.hospital.server_name}"
        assert stranger.request(
            "GET", f"/_matrix/client/v3/directory/room/{named.replace('#', '%23')}"
        ).status_code in (404, 502)
        assert stranger.join(named).status_code in (403, 404, 502)
        assert stranger.join(room, via=[world.hospital.server_name]).status_code in (403, 404, 502)
        assert stranger.knock(room, via=[world.hospital.server_name]).status_code >= 400
    for path in (
        f"hierarchy/{room}",
        f"query/directory?room_alias=%23{alias}:{world.hospital.server_name}",
        "publicRooms",
        f"make_join/{room}/{leo.user_id}?ver=10",
    ):
        answer = world.lax.federation_request("GET", f"/_matrix/federation/v1/{path}", to=world.hospital)
        assert answer.status_code in (403, 404), (path, answer.text)
        assert "Kantine" not in answer.text
    assert colleague.join(room).status_code == 200
    assert user.members(room) == {user.user_id, colleague.user_id}


@pytest.mark.requirement("A_28590")
def test_a_26520_a_space_shows_other_servers_no_public_rooms(world):
    doctor, physician = world.user(world.hospital), world.user(world.lax)
    space = together(doctor, physician, creation_content={"type": "m.space"})
    public = doctor.create_room(preset="public_chat", name="Kantine")
    private = together(doctor, physician, name="Visite")
    for child in (public, private):
        doctor.put_state(space, "m.space.child", {"via": [doctor.server_name]}, child).raise_for_status()
    path = f"/_matrix/federation/v1/hierarchy/{space}"
    answer = world.lax.federation_request("GET", path, to=world.hospital)
    assert [child["room_id"] for child in answer.json()["children"]] == [private]
    assert answer.json()["inaccessible_children"] == [public]
    shown = doctor.request("GET", f"/_matrix/client/v1/rooms/{space}/hierarchy").json()["rooms"]
    assert {room["room_id"] for room in shown} == {space, public, private}


def test_a_26518_the_directory_is_for_users(world):

    user = world.user(world.hospital)
    room = user.create_room(visibility="public")
    for path in ("publicRooms", f"directory/list/room/{room}"):
        answer = loopback.get(f"{world.hospital.client_url}/_matrix/client/v3/{path}")
        assert code(answer) == (401, "M_MISSING_TOKEN")
        assert user.request("GET", f"/_matrix/client/v3/{path}").status_code == 200


def test_a_26515_01_a_room_that_federates_is_not_listed_later(world):
    user, admin = world.user(world.hospital), world.user(world.hospital, admin=True)
    for who in (user, admin):
        federating = who.create_room()
        path = f"/_matrix/client/v3/directory/list/room/{federating}"
        assert who.request("PUT", path, {"visibility": "public"}).status_code == 403
        own = who.create_room(creation_content={"m.federate": False})
        path = f"/_matrix/client/v3/directory/list/room/{own}"
        assert who.request("PUT", path, {"visibility": "public"}).status_code == 200
        assert who.request("PUT", path, {"visibility": "private"}).status_code == 200


# epa

OPEN = [
    *PUBLIC,
    {"initial_state": [join_rule("knock")]},
    {"initial_state": [state("m.room.join_rules", join_rule="restricted", allow=[])]},
    {"initial_state": [state("m.room.join_rules", join_rule="knock_restricted", allow=[])]},
    {"initial_state": [join_rule("org.example.anything")]},
    {"preset": "private_chat", "visibility": "public"},
    {"initial_state": [join_rule("knock")], "creation_content": {"m.federate": False}},
]


@pytest.mark.one_process
@pytest.mark.parametrize("admin", [False, True])
@pytest.mark.parametrize("body", OPEN)
def test_a_25996_rooms_of_insured_persons_are_private(world, body, admin):
    refused(world.user(world.insurer, admin=admin), FORBIDDEN, **body)


@pytest.mark.parametrize(
    "body", [{}, {"preset": "trusted_private_chat"}, {"initial_state": [join_rule("invite")]}]
)
def test_a_25996_private_ones_are_created(world, body):
    content = created(world.user(world.insurer), **body)
    assert content["m.room.join_rules"] == {"join_rule": "invite"}


def test_a_28587_insured_persons_have_no_room_directory(world):

    user, admin = world.user(world.insurer), world.user(world.insurer, admin=True)
    room = user.create_room()
    for prefix in ("/_matrix/client/v3", "/_matrix/client/r0", "/_matrix/client/api/v1"):
        for method, path in (
            ("GET", "publicRooms"),
            ("POST", "publicRooms"),
            ("GET", f"directory/list/room/{room}"),
            ("PUT", f"directory/list/room/{room}"),
        ):
            for server in (world.insurer, world.fund):
                url = f"{server.client_url}{prefix}/{path}"
                answer = loopback.request(method, url, json={} if method != "GET" else None)
                assert code(answer) == FORBIDDEN, (prefix, method, path)
            for who in (user, admin):
                body = {"visibility": "public"} if method == "PUT" else {}
                answer = who.request(method, f"{prefix}/{path}", body if method != "GET" else None)
                assert code(answer) == FORBIDDEN, (prefix, method, path)
    foreign = f"/_matrix/client/v3/publicRooms?server={world.hospital.server_name}"
    assert code(user.request("GET", foreign)) == FORBIDDEN
    assert world.user(world.hospital).request("GET", "/_matrix/client/v3/publicRooms").status_code == 200


# Bodies that cannot be read


@pytest.mark.one_process
@pytest.mark.parametrize(
    "body",
    [
        {"visibility": "Public"},
        {"visibility": 1},
        {"visibility": ["public"]},
        {"preset": "open"},
        {"preset": {}},
        {"preset": None},
        {"creation_content": []},
        {"creation_content": "x"},
        {"creation_content": None},
        {"creation_content": {"m.federate": "false"}},
        {"creation_content": {"m.federate": None}},
        {"creation_content": {"type": ["x"]}},
        {"initial_state": [{"type": "m.room.join_rules", "content": {}}]},
        {"initial_state": [{"type": "m.room.join_rules", "content": {"join_rule": 5}}]},
        {"initial_state": [{"type": "m.room.history_visibility", "content": {}}]},
        {"initial_state": [{"type": "m.room.history_visibility", "content": {"history_visibility": []}}]},
        {"initial_state": [{"type": "m.room.create", "content": {"m.federate": True}}]},
        {"room_alias_name": 5},
    ],
)
@pytest.mark.requirement("A_25323-01")
def test_bad_input_gets_400_and_leaves_no_room(world, body):
    user = world.user(world.hospital)
    before = user.joined_rooms()
    answer = user.try_create_room(**body)
    assert answer.status_code == 400, answer.text
    assert user.joined_rooms() == before


def deep(levels):
    value = {}
    for _ in range(levels):
        value = {"a": value}
    return value


def test_deep_nesting_gets_400_and_leaves_no_room(world):
    user = world.user(world.hospital)
    before = user.joined_rooms()
    nested = {"type": "org.example", "state_key": "", "content": deep(500)}
    for body in ({"initial_state": [nested]}, {"creation_content": {"x": deep(500)}}):
        assert code(user.try_create_room(**body)) == BAD_JSON
    assert user.joined_rooms() == before
    shallow = {"type": "org.example", "state_key": "", "content": deep(20)}
    assert user.try_create_room(initial_state=[shallow]).status_code == 200


def test_a_federating_room_of_the_hospital_is_joined_by_invitation(world):
    doctor, physician = world.user(world.hospital), world.user(world.practice)
    room = together(doctor, physician)
    physician.send(room, "hello").raise_for_status()
    wait_for(lambda: "hello" in doctor.texts(room))
