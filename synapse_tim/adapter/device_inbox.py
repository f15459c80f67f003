"""Synapse's store of messages to devices: the one place that all of them pass, on their way in and out.

``sendToDevice``, application services' included, and ``m.direct_to_device`` of other servers end in one of
three methods of the store (of two, before Synapse 1.155), in the process that writes the stream
``to_device``. They are called after Synapse's own checks of sizes, senders and rates, so the sender learns
nothing from a message that is left out here.
"""

from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any, Final

import attrs
from synapse.types import StreamKeyType

from synapse_tim.adapter.shape import Touches
from synapse_tim.adapter.stores import main_store

_SYNAPSE: Final = Touches("messages to devices")
_NOTIFIER: Final = _SYNAPSE.getter("get_notifier", "Notifier")
_NOTIFY: Final = _SYNAPSE.calls(
    "synapse.notifier.Notifier.on_new_event(stream_key, new_token, users, …)",
    "wakes the recipient of a message that is delivered later",
)
_KEY: Final = _SYNAPSE.reads("synapse.types.StreamKeyType.TO_DEVICE", "likewise")
_INBOX: Final = "synapse.storage.databases.main.deviceinbox.DeviceInboxWorkerStore"
_APART: Final = (1, 155)  # since when messages to users here and elsewhere are stored apart
_LOCAL: Final = _SYNAPSE.wraps(
    f"{_INBOX}.add_local_messages_from_client_to_device_inbox(…, local_messages_by_user_then_device)",
    "messages to strangers here are left out",
    since=_APART,
)
_OUTGOING: Final = _SYNAPSE.wraps(
    f"{_INBOX}.add_remote_messages_from_client_to_device_inbox(…, remote_messages_by_destination)",
    "messages to strangers elsewhere are left out",
    since=_APART,
)
_SENT: Final = _SYNAPSE.wraps(
    f"{_INBOX}.add_messages_to_device_inbox"
    "(local_messages_by_user_then_device, remote_messages_by_destination)",
    "likewise, for both at once",
    before=_APART,
)
_ARRIVING: Final = _SYNAPSE.wraps(
    f"{_INBOX}.add_messages_from_remote_to_device_inbox"
    "(…, origin, message_id, local_messages_by_user_then_device)",
    "messages of strangers elsewhere are left out, and delivered once the recipient lets them in",
)

#: Messages by recipient, and by device (``*`` for all of them).
Messages = Mapping[str, Mapping[str, Any]]
#: Who of several recipients gets messages: the sender, the recipients, the type of the messages.
Permitted = Callable[[str, Collection[str], str], Awaitable[Collection[str]]]


@attrs.frozen(eq=False)
class ArrivedMessages:
    """What another server delivers in one piece."""

    origin: str
    message_id: str  #: its id for them, by which Synapse knows what it has already
    sender: str  #: user id of the other server
    kind: str
    messages: Messages


#: Told of what arrived and was left out, and of the recipients who were to get it.
LeftOut = Callable[[ArrivedMessages, Collection[str]], None]
#: Called before what arrived is stored, with the sender, the recipients who get it, and the type.
BeforeArrival = Callable[[str, Collection[str], str], Awaitable[None]]


class DeviceInbox:
    """Watches what is stored for devices."""

    def __init__(self, hs: Any) -> None:
        self._notify = _NOTIFY.of(_NOTIFIER.of(hs)())
        _KEY.of(StreamKeyType)
        self._store = main_store(hs)
        self._deliver: Callable[[str, str, Messages], Awaitable[int]] = _ARRIVING.of(self._store)
        self._sent = [touched for touched in (_LOCAL, _OUTGOING, _SENT) if touched.expected]
        for touched in self._sent:
            touched.of(self._store)

    def guard(self, permitted: Permitted, before: BeforeArrival, left_out: LeftOut) -> None:
        """Leave out messages to some recipients; to be called once.

        Args:
            permitted: says who gets them; what it raises is the answer to the request or the transaction.
            before: called before what arrives from another server is stored.
            left_out: called with what arrived from another server and is left out.
        """

        async def among(messages: dict[str, Any], sender: str, kind: str) -> dict[str, Any]:
            wanted = set(await permitted(sender, messages.keys(), kind))
            return {user: devices for user, devices in messages.items() if user in wanted}

        async def sent(proceed: Callable[[], Awaitable[Any]], arguments: dict[str, Any]) -> Any:
            if messages := arguments.get("local_messages_by_user_then_device"):
                arguments["local_messages_by_user_then_device"] = await among(messages, *_origin(messages))
            if destinations := arguments.get("remote_messages_by_destination"):
                remaining = {}
                for destination, edu in destinations.items():
                    messages = await among(edu["messages"], edu["sender"], edu["type"])
                    if messages:
                        remaining[destination] = {**edu, "messages": messages}
                arguments["remote_messages_by_destination"] = remaining
            return await proceed()

        async def arriving(proceed: Callable[[], Awaitable[Any]], arguments: dict[str, Any]) -> Any:
            messages = arguments["local_messages_by_user_then_device"]
            if not messages:
                return await proceed()
            sender, kind = _origin(messages)
            if sender.partition(":")[2] != arguments["origin"]:  # Synapse 1.153 and 1.154 only warn of it
                arguments["local_messages_by_user_then_device"] = {}
                return await proceed()
            wanted = await among(messages, sender, kind)
            await before(sender, wanted.keys(), kind)
            arguments["local_messages_by_user_then_device"] = wanted
            answer = await proceed()
            refused = messages.keys() - wanted.keys()
            if refused:
                arrived = ArrivedMessages(
                    arguments["origin"], arguments["message_id"], sender, kind, messages
                )
                left_out(arrived, refused)
            return answer

        for touched in self._sent:
            touched.wrap(self._store, sent)
        _ARRIVING.wrap(self._store, arriving)

    async def deliver(self, arrived: ArrivedMessages, recipient: str) -> None:
        """Store what was left out after all, and wake the recipient's devices."""
        # Synapse has noted the id of the rest.
        message_id = f"{arrived.message_id} {recipient}"
        messages = {recipient: arrived.messages[recipient]}
        position = await self._deliver(arrived.origin, message_id, messages)
        self._notify(StreamKeyType.TO_DEVICE, position, users=[recipient])


def _origin(messages: Messages) -> tuple[str, str]:
    """Sender and type of messages of one request, which are in each of them.

    Synapse takes any type of another server; here it is text.
    """
    message = next(message for devices in messages.values() for message in devices.values())
    return message["sender"], str(message["type"])
