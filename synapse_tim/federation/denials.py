"""Denials because of the federation list."""

from synapse_tim.core.denial import Denial

#: The other server is not in the federation list in force.
NOT_A_MEMBER = Denial(
    "not_a_member",
    policy="federation",
    requirements=(
        "AF_10064-02",
        "AF_10064-01",
        "AF_10061-04",
        "AF_10061-01",
        "AF_10062-03",
        "AF_10062-01",
        "A_25534",
        "A_25537",
        "A_26328",
        "A_26331",
    ),
    text=(
        "The other user's server is not part of the TI-Messenger federation. Check the address; "
        "if the organisation has joined only recently, try again in a few minutes. (AF_10064-02)"
    ),
)

#: There is no usable list, so no server may be talked to (R1.14).
NO_USABLE_LIST = Denial(
    "no_usable_list",
    policy="federation",
    requirements=(
        "AF_10064-02",
        "AF_10064-01",
        "AF_10061-04",
        "AF_10061-01",
        "AF_10062-03",
        "AF_10062-01",
        "R1.14",
    ),
    status=503,
    text=(
        "This server has no current TI-Messenger federation list, so other servers cannot be "
        "reached. Try again later; if it stays like this, tell your administrator. (AF_10064-02)"
    ),
)

#: An event of a server that left the federation, relayed by a member.
RELAYED_FOR_NON_MEMBER = Denial(
    "relayed_for_non_member",
    policy="relayed_event",
    requirements=("AF_10064-02", "AF_10062-03", "AF_10062-01"),
    text="The event was sent by a server that is not part of the federation. (AF_10064-02)",
)

#: A createRoom body that invites by e-mail address or the like: whose server that is shows too late.
INVITES_BY_ADDRESS = Denial(
    "invites_by_address",
    policy="federation",
    requirements=("AF_10064-02", "A_25368-01"),
    text="Create the room without 'invite_3pid', then invite by user id. (AF_10064-02, A_25368-01)",
)

#: A createRoom body whose invitations cannot be read: nothing to decide on.
INVITES_MALFORMED = Denial(
    "invites_malformed",
    policy="federation",
    requirements=("AF_10064-02",),
    status=400,
    text="'invite' has to be a list of user ids, 'initial_state' a list of state events.",
)
