"""Members of a room who are likely to be allowed to withdraw an invitation that another user sent."""

from collections.abc import Collection, Iterable, Mapping, Sequence


def who_may_withdraw(
    joined: Collection[str], power_levels: Mapping[str, object], creators: Iterable[str]
) -> Sequence[str]:
    """Users in the order in which they are to try; Synapse decides whether they may.

    Users who are not named have the default power, which may be enough, too: one of them comes last.

    Args:
        joined: users of this server in the room.
        power_levels: the content of ``m.room.power_levels``; anything may be in it.
        creators: of the room, who need no power level from version 12 on.
    """
    users = power_levels.get("users")
    levels = users.items() if isinstance(users, Mapping) else ()
    named = [who for who, level in sorted(levels, key=lambda each: -_number(each[1])) if who in joined]
    made_it = [who for who in creators if who in joined]
    rest = sorted(set(joined) - set(named) - set(made_it))[:1]
    return tuple(dict.fromkeys((*made_it, *named, *rest)))


def _number(level: object) -> int:
    """A power level; text is allowed in old rooms."""
    try:
        return int(level) if isinstance(level, int | str) else 0
    except ValueError:
        return 0
