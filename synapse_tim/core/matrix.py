"""Event types and values of the Matrix specification."""

from typing import Final

CREATE: Final = "m.room.create"
MEMBER: Final = "m.room.member"
JOIN_RULES: Final = "m.room.join_rules"
HISTORY_VISIBILITY: Final = "m.room.history_visibility"
THIRD_PARTY_INVITE: Final = "m.room.third_party_invite"
FEDERATE: Final = "m.federate"
PUBLIC: Final = "public"
ENCRYPTION: Final = "m.room.encryption"
#: The algorithm that rooms are encrypted with, the only one.
MEGOLM: Final = "m.megolm.v1.aes-sha2"
#: The type of rooms that hold other rooms, and no conversation.
SPACE: Final = "m.space"
