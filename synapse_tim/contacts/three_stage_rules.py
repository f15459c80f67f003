"""Rules of invitations from other servers in the legacy generation, in three stages (requirements §2.5).

Stage 1 is the federation list. What the later two need is asked for only if it decides:

2. the invitee's approval list, within its time window;
3. the directory: everyone may invite organisations; practitioners may invite practitioners.

Refused is what no stage lets through, also users that the directory does not know. Among colleagues
only stage 1 counts, and that both have an account (AF_10104-01). The rule is the invitee's server's to apply,
not the inviter's (AF_10061-01).
"""

from synapse_tim.core.denial import Denial
from synapse_tim.directory.owner_types import OwnerType
from synapse_tim.invites.denials import INVITEE_NOT_APPROVED


def decided_by_invitee(invitee: OwnerType) -> bool:
    """Whether the owner of the invitee's entries decides stage 3 alone, for every inviter."""
    return invitee.is_organisation or not invitee.is_practitioner


def stage_three(invitee: OwnerType, inviter: OwnerType = OwnerType.NONE) -> Denial | None:
    """Why the directory does not let an invitation through, or ``None``.

    Args:
        invitee: who owns the invitee's entries in the directory.
        inviter: likewise; needed unless ``decided_by_invitee``.
    """
    if invitee.is_organisation or (invitee.is_practitioner and inviter.is_practitioner):
        return None
    return INVITEE_NOT_APPROVED
