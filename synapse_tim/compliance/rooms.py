"""Rooms, what may be changed in them, and events (requirements §3)."""

from __future__ import annotations

from typing import Final

from synapse_tim.compliance.requirement import EPA, PRO, V1_1, V1_2, Requirement, Status
from synapse_tim.rooms.denials import JOIN_WITHOUT_INVITE, PUBLISHED_FEDERATING, REMOTE_USER_IN_PUBLIC_ROOM

_ROOMS: Final = "synapse_tim.rooms.module"
_DIRECTORY: Final = "synapse_tim.rooms.directory"
_ENTRY: Final = "synapse_tim.rooms.entry"
_EVENTS: Final = "synapse_tim.events.module"
_CREATION: Final = "synapse_tim.rooms.creation.RoomRules"
_CHANGE: Final = "synapse_tim.rooms.state.change"
_EVENT_RULES: Final = "synapse_tim.events.rules.EventRules"
_ENCRYPTION: Final = (
    "Encryption is left to clients: the server refuses no unencrypted room. Set "
    "`encryption_enabled_by_default_for_room_type`, which nothing here demands."
)
_CUSTOM: Final = "Clients set it; the server lets it pass, which a test shows."

ROOMS: Final = (
    Requirement(
        "A_25323-01",
        "What rooms are unless the client says otherwise: private, by invitation, encrypted",
        Status.PARTLY,
        rules=(_CREATION,),
        where=(_ROOMS,),
        note=_ENCRYPTION,
    ),
    Requirement(
        "A_25324-01",
        "Unencrypted rooms do not leave the own server",
        Status.PARTLY,
        products=PRO,
        more_denials=(REMOTE_USER_IN_PUBLIC_ROOM,),
        rules=(_CREATION,),
        where=(_ROOMS,),
        note=f"Public rooms, which are the unencrypted ones, do not federate. {_ENCRYPTION}",
    ),
    Requirement(
        "A_25325-01",
        "Public rooms: shared history, for users of the own server",
        Status.ENFORCED,
        products=PRO,
        rules=(_CREATION,),
        where=(_ROOMS, _ENTRY),
    ),
    Requirement(
        "A_25481",
        "The history of a new room can be read from the invitation on",
        Status.ENFORCED,
        rules=(_CREATION,),
        where=(_ROOMS,),
    ),
    Requirement(
        "A_25426",
        "The room type of TI-Messenger",
        Status.NOT_APPLICABLE,
        note=_CUSTOM,
    ),
    Requirement(
        "A_25814-01",
        "The default room type",
        Status.NOT_APPLICABLE,
        note=_CUSTOM,
    ),
    Requirement(
        "A_26338-02",
        "Name and topic of a room in state events of TI-Messenger",
        Status.NOT_APPLICABLE,
        generations=V1_2,
        note=_CUSTOM,
    ),
    Requirement(
        "A_25996",
        "Insured persons make no public and no unencrypted rooms",
        Status.PARTLY,
        products=EPA,
        rules=(_CREATION, _CHANGE),
        where=(_ROOMS,),
        note=f"Public rooms are refused. {_ENCRYPTION}",
    ),
    Requirement(
        "A_26015-02",
        "Clients of insured persons offer no public and no unencrypted rooms",
        Status.PARTLY,
        products=EPA,
        rules=(_CHANGE,),
        where=(_ROOMS,),
        note=f"Clients; the server backs them up where rooms would become public. {_ENCRYPTION}",
    ),
    Requirement(
        "A_26202",
        "The room versions 9, 10 and 11 are supported",
        Status.ENFORCED,
        where=(_ROOMS,),
        rules=(_CREATION,),
        note="Synapse supports them; which ones are made here is decided by A_26203.",
    ),
    Requirement(
        "A_26203",
        "Rooms of the versions 9 and 10 are made, no others",
        Status.ENFORCED,
        rules=(_CREATION,),
        where=(_ROOMS,),
        note="`rooms.versions` lets the operator allow others.",
    ),
    Requirement(
        "A_26248",
        "New rooms have version 10",
        Status.ENFORCED,
        rules=(_CREATION,),
        where=(_ROOMS,),
    ),
    Requirement(
        "A_26515",
        "Public rooms are closed to other servers, in generation 1.1",
        Status.ENFORCED,
        products=PRO,
        generations=V1_1,
        more_denials=(REMOTE_USER_IN_PUBLIC_ROOM, JOIN_WITHOUT_INVITE, PUBLISHED_FEDERATING),
        rules=(_CREATION,),
        where=(_ROOMS, _ENTRY, _DIRECTORY),
    ),
    Requirement(
        "A_26515-01",
        "Public rooms do not federate",
        Status.ENFORCED,
        products=PRO,
        generations=V1_2,
        rules=(_CREATION, "synapse_tim.rooms.joins.local_user_joins"),
        where=(_ROOMS, _ENTRY, _DIRECTORY),
    ),
    Requirement(
        "A_26518",
        "The list of public rooms is for users with a token",
        Status.ENFORCED,
        products=PRO,
        rules=("synapse_tim.rooms.directory.RoomDirectory",),
        where=(_DIRECTORY,),
    ),
    Requirement(
        "A_26520",
        "Other servers do not find public rooms, in generation 1.1",
        Status.ENFORCED,
        products=PRO,
        generations=V1_1,
        where=(_DIRECTORY,),
        note="Enforced for 1.2 likewise (A_28590).",
    ),
    Requirement(
        "A_28590",
        "Other servers do not find public rooms",
        Status.ENFORCED,
        products=PRO,
        generations=V1_2,
        where=(_DIRECTORY,),
    ),
    Requirement(
        "A_28271",
        "No room becomes public after its creation",
        Status.ENFORCED,
        products=PRO,
        generations=V1_2,
        rules=(_CHANGE,),
        where=(_ROOMS,),
        note="Enforced for 1.1 and for insured persons, too.",
    ),
    Requirement(
        "A_28587",
        "Insured persons have no directory of public rooms",
        Status.ENFORCED,
        products=EPA,
        generations=V1_2,
        where=(_DIRECTORY,),
    ),
    Requirement(
        "A_28595",
        "Rooms of the next generation's type can be joined",
        Status.SYNAPSE,
        generations=V1_2,
        note="Clients join; the server lets them.",
    ),
    Requirement(
        "A_28596",
        "Rooms of the next generation's type are not created",
        Status.ENFORCED,
        generations=V1_2,
        rules=(_CREATION,),
        where=(_ROOMS,),
    ),
    Requirement(
        "A_26228-01",
        "A reaction is exactly one emoji",
        Status.ENFORCED,
        rules=("synapse_tim.events.rules.is_one_emoji",),
        where=(_EVENTS,),
        note="Whether 1.2 dropped it is not known: `events.single_emoji_reactions` switches it off.",
    ),
    Requirement(
        "A_25395-02",
        "Threads are not among the modules of clients, in generation 1.1",
        Status.ENFORCED,
        generations=V1_1,
        rules=(_EVENT_RULES,),
        where=(_EVENTS,),
    ),
    Requirement(
        "A_25395-03",
        "The modules of the client-server API that clients implement",
        Status.NOT_APPLICABLE,
        generations=V1_2,
        note="Clients. Threads are let through in 1.2 unless `events.threads` says otherwise.",
    ),
    Requirement(
        "A_28358",
        "An event is redacted within 24 hours, or not at all",
        Status.ENFORCED,
        generations=V1_2,
        rules=(_EVENT_RULES,),
        where=(_EVENTS,),
        note="Server administrators are exempt, for moderation.",
    ),
)
