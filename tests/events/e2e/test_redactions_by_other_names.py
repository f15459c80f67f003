"""What else takes content away, held against the window of redactions (A_28358)."""

import secrets

import pytest

from synapse_tim.testing import SynapseServer, wait_for
from tests.support.world import CLIENT, LONG_AGO_MS, AppService, code, module, together

pytestmark = [pytest.mark.servers, pytest.mark.one_process, pytest.mark.requirement("A_28358")]

FORBIDDEN = (403, "M_FORBIDDEN")
REDACTS = "org.matrix.msc4293.redact_events"
TEXT = {"msgtype": "m.text", "body": "a message"}


@pytest.fixture(scope="module")
def past():
    return AppService()


@pytest.fixture(scope="module")
def clinic(module_ti, past, tmp_path_factory):
    """A server with all of Synapse's features that redact."""
    server = SynapseServer(
        "clinic",
        tmp_path_factory.mktemp("clinic"),
        module_ti.world,
        modules=[module(module_ti)],
        extra={
            "federation_domain_whitelist": [],
            "max_event_delay_duration": "24h",
            "experimental_features": {"msc4293_enabled": True, "msc3912_enabled": True},
        },
    )
    past.install(server)
    try:
        yield server.start().wait()
    finally:
        server.stop()


def newcomer(server, **options):
    return server.register(f"user-{secrets.token_hex(4)}", **options)


def texts(user, room):
    return [
        event["content"].get("body") for event in user.messages(room) if event["type"] == "m.room.message"
    ]


def remove(way, moderator, room, user, content):
    """A kick or a ban, by one of its endpoints."""
    if way in ("kick", "ban"):
        body = {"user_id": user.user_id, **content}
        return moderator.request("POST", f"{CLIENT}/rooms/{room}/{way}", body)
    membership = {"state ban": "ban", "state kick": "leave"}[way]
    return moderator.put_state(room, "m.room.member", {"membership": membership, **content}, user.user_id)


WAYS = ["kick", "ban", "state kick", "state ban"]


@pytest.mark.parametrize("way", WAYS)
def test_a_28358_a_kick_or_ban_redacts_nothing_older_than_the_window(clinic, past, way):
    moderator, user = newcomer(clinic), newcomer(clinic)
    room = together(moderator, user)
    past.send(user, room, "m.room.message", TEXT)
    answer = remove(way, moderator, room, user, {REDACTS: True})
    assert code(answer) == FORBIDDEN
    assert "A_28358" in answer.json()["error"]
    assert user.user_id in moderator.members(room)
    assert texts(moderator, room) == ["a message"]
    # Without redacting, or with what Synapse does not take for it, it is a kick like any other.
    assert remove(way, moderator, room, user, {REDACTS: "true"} if "ban" in way else {}).status_code == 200
    assert texts(moderator, room) == ["a message"]


@pytest.mark.parametrize("way", WAYS)
def test_a_28358_but_what_is_younger(clinic, past, way):
    moderator, user = newcomer(clinic), newcomer(clinic)
    room = together(moderator, user)
    past.send(user, room, "m.room.message", TEXT, age_ms=LONG_AGO_MS - 2 * 60 * 60 * 1000)
    elsewhere = together(moderator, user)
    past.send(user, elsewhere, "m.room.message", TEXT)
    past.send(moderator, room, "m.room.message", {**TEXT, "body": "the moderator's"})
    assert remove(way, moderator, room, user, {REDACTS: True}).status_code == 200
    wait_for(lambda: texts(moderator, room) == ["the moderator's", None], timeout=10, what="the redaction")
    assert texts(moderator, elsewhere) == ["a message"]


def test_a_28358_nor_does_a_ban_that_was_there_already(clinic, past):
    """Nor one that is sent later."""
    moderator, user = newcomer(clinic), newcomer(clinic)
    room = together(moderator, user)
    past.send(user, room, "m.room.message", TEXT)
    remove("ban", moderator, room, user, {}).raise_for_status()
    assert code(remove("ban", moderator, room, user, {REDACTS: True})) == FORBIDDEN
    path = f"{CLIENT}/rooms/{room}/state/m.room.member/{user.user_id}"
    later = {"org.matrix.msc4140.delay": 1}
    moderator.request("PUT", path, {"membership": "ban", REDACTS: True}, params=later)
    delayed = "/_matrix/client/unstable/org.matrix.msc4140/delayed_events"
    wait_for(lambda: not moderator.request("GET", delayed).json().get("delayed_events"), timeout=10)
    assert moderator.state(room, "m.room.member", user.user_id).json().get(REDACTS) is None
    assert texts(moderator, room) == ["a message"]


def test_a_28358_administrators_of_the_server_may(clinic, past):
    admin, user = newcomer(clinic, admin=True), newcomer(clinic)
    room = together(admin, user)
    past.send(user, room, "m.room.message", TEXT)
    assert remove("ban", admin, room, user, {REDACTS: True}).status_code == 200


def test_a_28358_what_is_related_to_a_redacted_event_is_judged_by_itself(clinic, past):
    """MSC3912: an old event whose relation is redacted with it."""
    user = newcomer(clinic)
    room = user.create_room()
    target = user.send(room, "target").raise_for_status().json()["event_id"]
    related = {**TEXT, "m.relates_to": {"rel_type": "m.replace", "event_id": target}}
    old = past.send(user, room, "m.room.message", related)
    young = [user.send_event(room, "m.room.message", related).json()["event_id"] for _ in range(2)]
    path = f"{CLIENT}/rooms/{room}/redact/{target}/{secrets.token_hex(4)}"
    user.request("PUT", path, {"org.matrix.msc3912.with_relations": ["m.replace"]}).raise_for_status()

    def content(event_id):
        return user.request("GET", f"{CLIENT}/rooms/{room}/event/{event_id}").json()["content"]

    wait_for(lambda: all(content(event) == {} for event in young), timeout=15, what="the redactions")
    assert content(old)["body"] == "a message"
