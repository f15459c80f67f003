"""Messages to devices, which are not delivered between strangers.

Clients send them for keys and verification, to any user. Those to strangers are left out where they are made,
sent to another server, or arrive from one; the sender gets the usual answer.

Two things may be known later than a key arrives. Who is in a room that a user is just invited to, only other
servers know: as long as the invitation is pending, encrypted messages of users of other servers pass. And the
event that lets a user into a room may arrive after the first key of theirs, even out of the same
transaction: what is left out is kept in memory for a minute, judged again, and delivered if it may be by
then, in the order in which it arrived.
"""

import json
import logging
from collections import Counter
from collections.abc import Collection, Mapping
from typing import Final

import attrs
from synapse.module_api import ModuleApi

from synapse_tim.adapter.answers import count_denied
from synapse_tim.adapter.device_inbox import ArrivedMessages, DeviceInbox
from synapse_tim.invites.denials import MESSAGE_TO_STRANGER
from synapse_tim.invites.strangers import Strangers

logger = logging.getLogger(__name__)

#: With an Olm session: what a key for a room comes in.
_ENCRYPTED: Final = "m.room.encrypted"
#: Milliseconds until what was left out is judged again, and again.
_JUDGED_AGAIN_AFTER: Final = (2_000, 10_000, 48_000)
#: Messages kept at a time, of one server and of all of them.
MAX_KEPT_OF_A_SERVER: Final = 100
MAX_KEPT: Final = 1_000
#: Bytes; Synapse's own clients cannot send longer ones.
MAX_KEPT_SIZE: Final = 65_536

#: Sender, recipient and type; sessions depend on the order of what has the same.
_Line = tuple[str, str, str]


class DeviceMessages:
    """Watches the messages to devices in one Synapse process."""

    def __init__(self, api: ModuleApi, inbox: DeviceInbox, strangers: Strangers) -> None:
        self._api = api
        self._inbox = inbox
        self._strangers = strangers
        self._kept: dict[_Line, list[ArrivedMessages]] = {}
        self._kept_of: Counter[str] = Counter()
        inbox.guard(self.permitted, self.before_arrival, self.keep)

    async def permitted(self, sender: str, recipients: Collection[str], kind: str) -> Collection[str]:
        """Those of several recipients who get a user's messages.

        Called for every request and every transaction, in the process that writes the stream; the user's own
        devices always get them.

        Raises:
            SynapseError: 503 if it cannot be looked up; then other servers send the messages again.
        """
        elsewhere = self._may_be_elsewhere(sender, kind)
        strangers = await self._strangers.among(sender, recipients, invited_elsewhere=elsewhere)
        for _ in strangers:
            count_denied(MESSAGE_TO_STRANGER)
        return recipients if not strangers else [user for user in recipients if user not in strangers]

    async def before_arrival(self, sender: str, recipients: Collection[str], kind: str) -> None:
        """Deliver what was kept before what arrives now."""
        for recipient in recipients if self._kept else ():
            line = (sender, recipient, kind)
            if line in self._kept and await self._share(line):
                await self._deliver(line)

    def keep(self, arrived: ArrivedMessages, recipients: Collection[str]) -> None:
        """Keep what was left out, to judge it again."""
        for recipient in recipients:
            one = attrs.evolve(arrived, messages={recipient: arrived.messages[recipient]})
            if _can_be_stored(one, recipient) and self._is_room_for(one):
                line = (one.sender, recipient, one.kind)
                self._kept.setdefault(line, []).append(one)
                self._kept_of[one.origin] += 1
                self._judge_later(line, one, 0)

    def _is_room_for(self, arrived: ArrivedMessages) -> bool:
        return (
            self._kept_of[arrived.origin] < MAX_KEPT_OF_A_SERVER
            and self._kept_of.total() < MAX_KEPT
            and len(json.dumps(arrived.messages)) <= MAX_KEPT_SIZE
        )

    def _judge_later(self, line: _Line, arrived: ArrivedMessages, times: int) -> None:
        after = _JUDGED_AGAIN_AFTER[times]
        self._api.delayed_background_call(
            after, self._judge_again, line, arrived, times + 1, desc="synapse_tim_device_messages"
        )

    async def _judge_again(self, line: _Line, arrived: ArrivedMessages, times: int) -> None:
        if arrived not in self._kept.get(line, ()):
            return  # delivered
        try:
            if await self._share(line):
                await self._deliver(line)
                return
        except Exception as error:
            logger.error("A message to a device could not be judged again: %s", type(error).__name__)
        if times < len(_JUDGED_AGAIN_AFTER):
            self._judge_later(line, arrived, times)
        else:
            self._forget(line, arrived)

    async def _share(self, line: _Line) -> bool:
        """Whether an event came later that lets the sender in; a later permission does not count."""
        sender, recipient, kind = line
        elsewhere = self._may_be_elsewhere(sender, kind)
        return await self._strangers.share(sender, recipient, invited_elsewhere=elsewhere)

    def _may_be_elsewhere(self, sender: str, kind: str) -> bool:
        return kind == _ENCRYPTED and not self._api.is_mine(sender)

    async def _deliver(self, line: _Line) -> None:
        """Deliver all that is kept for a line, the oldest first."""
        while waiting := self._kept.get(line):
            first = waiting[0]
            await self._inbox.deliver(first, line[1])  # again if need be: Synapse knows its id
            self._forget(line, first)

    def _forget(self, line: _Line, arrived: ArrivedMessages) -> None:
        waiting = self._kept.get(line, [])
        if arrived not in waiting:
            return
        waiting.remove(arrived)
        if not waiting:
            del self._kept[line]
        self._kept_of[arrived.origin] -= 1
        if not self._kept_of[arrived.origin]:
            del self._kept_of[arrived.origin]


def _can_be_stored(arrived: ArrivedMessages, recipient: str) -> bool:
    """Whether Synapse will take messages: one that it fails on would hold up those after it."""
    devices = arrived.messages[recipient]
    return all(isinstance(message.get("content"), Mapping) for message in devices.values())
