"""Events of users of other servers, hidden as they arrive: one callback however many checks there are."""

from collections.abc import Awaitable, Callable
from typing import Literal

from synapse.module_api import NOT_SPAM, EventBase, ModuleApi
from synapse.module_api.errors import Codes

#: Judges an event of a user of another server; whatever is not ``NOT_SPAM`` hides it. Must not raise.
ReceivedCheck = Callable[[EventBase], Awaitable[Literal["NOT_SPAM"] | Codes]]


class ReceivedEvents:
    """Hides events of users of other servers.

    Synapse asks about every event that arrives, old ones and whole states included, and about those that are
    made here but for memberships, which pass at once. It does not ask about an event whose content does not
    match its hash. What is hidden loses its text, and is in effect once another event follows.
    """

    def __init__(self, api: ModuleApi) -> None:
        self._is_mine = api.is_mine
        self._checks: list[ReceivedCheck] = []
        api.register_spam_checker_callbacks(check_event_for_spam=self.check_event_for_spam)

    def add_check(self, check: ReceivedCheck) -> None:
        """Have events checked; the first check that hides one decides."""
        self._checks.append(check)

    async def check_event_for_spam(self, event: EventBase) -> Literal["NOT_SPAM"] | Codes:
        """Ask the checks."""
        if not self._is_mine(event.sender):
            for check in self._checks:
                verdict = await check(event)
                if verdict != NOT_SPAM:
                    return verdict
        return NOT_SPAM
