"""What a server outside the federation may still do when a member relays its events."""

import pytest

from synapse_tim.federation.relayed import Effect, effect_of_relayed


@pytest.mark.parametrize(
    ("kind", "is_state", "effect"),
    [
        ("m.room.message", False, Effect.NONE),
        ("m.room.redaction", False, Effect.NONE),
        ("m.room.member", False, Effect.NONE),  # a membership that is no state is nothing
        ("m.room.topic", True, Effect.NONE),
        ("m.room.server_acl", True, Effect.NONE),
        ("m.room.tombstone", True, Effect.NONE),
        ("m.room.member", True, Effect.REDACTED),
        ("m.room.create", True, Effect.FULL),
        ("m.room.power_levels", True, Effect.FULL),
        ("m.room.join_rules", True, Effect.FULL),
        ("m.room.history_visibility", True, Effect.FULL),
        ("m.room.encryption", True, Effect.FULL),
    ],
)
def test_af_10064_02_only_who_is_in_a_room_and_may_do_what(kind, is_state, effect):
    assert effect_of_relayed(kind, is_state=is_state) is effect
