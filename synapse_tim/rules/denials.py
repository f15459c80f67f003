"""All denials in one place: the answer that a client or a server gets, and the requirement behind it.

A denial is a value. The modules turn it into Synapse's error and count it; the text tells what to do and
names the requirement, and never repeats a user id (A_22813, A_22817).
"""

from __future__ import annotations

import attrs


@attrs.frozen
class Denial:
    """A request that is refused.

    Attributes:
        policy: the part that decided, a label of ``synapse_tim_decisions_total``.
        rule: gematik's id of the requirement, the other label.
        status: HTTP status.
        errcode: Matrix error code.
        text: the human-readable ``error``.
    """

    policy: str
    rule: str
    status: int
    errcode: str
    text: str


#: AF_10064-02, A_25534: the other server is not in the federation list in force.
NOT_A_MEMBER = Denial(
    policy="federation",
    rule="AF_10064-02",
    status=403,
    errcode="M_FORBIDDEN",
    text=(
        "The other user's server is not part of the TI-Messenger federation. Check the address; "
        "if the organisation has joined only recently, try again in a few minutes. (AF_10064-02)"
    ),
)

#: AF_10064-02, R1.14: there is no list that may be used, so there is nobody to talk to.
NO_USABLE_LIST = Denial(
    policy="federation",
    rule="AF_10064-02",
    status=403,
    errcode="M_FORBIDDEN",
    text=(
        "This server has no current TI-Messenger federation list, so other servers cannot be "
        "reached. Tell your administrator. (AF_10064-02)"
    ),
)

#: AF_10064-02 for an event of a server that left the federation, relayed by a member.
RELAYED_FOR_NON_MEMBER = Denial(
    policy="relayed_event",
    rule="AF_10064-02",
    status=403,
    errcode="M_FORBIDDEN",
    text="The event was sent by a server that is not part of the federation. (AF_10064-02)",
)

#: A createRoom body that invites by e-mail address or the like: whose server that is shows too late.
INVITES_UNKNOWN = Denial(
    policy="federation",
    rule="AF_10064-02",
    status=403,
    errcode="M_FORBIDDEN",
    text="Create the room first, then invite: 'invite_3pid' does not name a server. (AF_10064-02)",
)

#: A createRoom body whose invitations cannot be read: nothing to decide on.
INVITES_MALFORMED = Denial(
    policy="federation",
    rule="AF_10064-02",
    status=400,
    errcode="M_BAD_JSON",
    text="'invite' has to be a list of user ids, 'initial_state' a list of state events.",
)
