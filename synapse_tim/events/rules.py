"""Rules of events that local users send: reactions (A_26228-01), threads (A_25395-02), redactions (A_28358).

Refused: reactions whose key is anything but one emoji; in generation 1.1, threads; redactions of events that
are older than the window, or that the user cannot see; kicks and bans that redact older ones. Users who may
not see an event get the same answer as for one that does not exist. Events of other servers are not judged.
"""

import datetime as dt
from collections.abc import Mapping
from typing import Any, Final

import attrs
import emoji

from synapse_tim.core.denial import Denial
from synapse_tim.core.matrix import MEMBER
from synapse_tim.core.text import is_storable
from synapse_tim.events.denials import REACTION, REDACTION_TOO_LATE, THREAD

#: What clients encrypt in encrypted rooms. Left out is what they do not: reactions, redactions, state.
MESSAGE_TYPES: Final = frozenset(
    {
        "m.room.message",
        "m.sticker",
        # Messages that can be extended (MSC1767 and those that build on it), files and places among them.
        *(
            "m.message",
            "m.emote",
            "m.notice",
            "m.file",
            "m.image",
            "m.audio",
            "m.voice",
            "m.video",
            "m.location",
        ),
        *(
            f"org.matrix.msc{kind}"
            for kind in (
                *("1767.message", "1767.emote", "1767.notice", "1767.file", "1767.image", "1767.audio"),
                *("1767.video", "1767.encrypted", "3245.voice", "3488.location", "3551.file", "3552.image"),
                *("3553.video", "3927.audio", "3672.beacon"),
            )
        ),
        "m.beacon",
        *(
            f"{prefix}.{kind}"
            for prefix in ("m.poll", "org.matrix.msc3381.poll")
            for kind in ("start", "response", "end")
        ),
        *(
            f"{prefix}.{kind}"
            for prefix in ("m.call", "org.matrix.call")
            for kind in (
                *("invite", "candidates", "answer", "hangup", "reject", "select_answer", "negotiate"),
                *("replaces", "asserted_identity", "sdp_stream_metadata_changed", "notify"),
            )
        ),
        *("m.rtc.notification", "m.rtc.decline", "org.matrix.msc4075.rtc.notification"),
        *("org.matrix.msc4075.call.notify", "org.matrix.msc4310.rtc.decline"),
        # Structured data (gemF_TI-M_Strukturierte_Daten, R12.4).
        *("de.gematik.fhir", "de.gematik.msc4302.fhir", "de.gematik.msc4300.request.status"),
    }
)
REACTION_TYPE: Final = "m.reaction"
REDACTION_TYPE: Final = "m.room.redaction"
#: Marks a kick or a ban that redacts all events of the user in the room (MSC4293).
REDACTS_ALL: Final = "org.matrix.msc4293.redact_events"

#: Code points of a key that is looked at; the longest emoji has ten.
_MAX_CODE_POINTS: Final = 32
_WITHOUT_SELECTORS: Final = dict.fromkeys(map(ord, "\ufe0e\ufe0f"))


@attrs.frozen
class EventRules:
    """What events of local users may be."""

    single_emoji_reactions: bool  #: a reaction is exactly one emoji
    threads: bool
    #: How old an event may be when it is redacted; ``None`` for any age.
    redaction_window: dt.timedelta | None

    def check(self, kind: str, content: Mapping[str, Any]) -> Denial | None:
        """Judge an event by its type and content alone."""
        if kind == REACTION_TYPE and self.single_emoji_reactions and not _is_reaction(content):
            return REACTION
        if not self.threads and _relation(content).get("rel_type") == "m.thread":
            return THREAD
        return None

    def check_redaction(self, age: dt.timedelta) -> Denial | None:
        """Judge a redaction by the age of the event that it redacts."""
        window = self.redaction_window
        return REDACTION_TOO_LATE if window is not None and age > window else None


def redacts_all(kind: str, sender: str, subject: object, content: Mapping[str, Any]) -> bool:
    """Whether an event is a kick or a ban that redacts all events of the user in the room (MSC4293)."""
    return (
        kind == MEMBER
        and subject != sender
        and content.get("membership") in ("leave", "ban")
        and content.get(REDACTS_ALL) is True
    )


def is_one_emoji(text: str) -> bool:
    """Whether a text is exactly one emoji.

    Variation selectors, skin tones, flags, keycaps and sequences with zero-width joiners are part of the
    emoji that they change; joining emoji that are no such sequence does not make them one.
    """
    if not 0 < len(text) <= _MAX_CODE_POINTS:
        return False
    # A selector that changes nothing is no part of what the library finds.
    bare = text.translate(_WITHOUT_SELECTORS)
    tokens = [
        token
        for token in emoji.analyze(text, non_emoji=True, join_emoji=False)
        if token.chars.translate(_WITHOUT_SELECTORS)
    ]
    return (
        len(tokens) == 1
        and isinstance(tokens[0].value, emoji.EmojiMatch)
        and tokens[0].chars.translate(_WITHOUT_SELECTORS) == bare
    )


def _is_reaction(content: Mapping[str, Any]) -> bool:
    relation = _relation(content)
    key = relation.get("key")
    target = relation.get("event_id", "")
    return (
        relation.get("rel_type") == "m.annotation"
        and isinstance(key, str)
        and is_one_emoji(key)
        and isinstance(target, str)
        and is_storable(target)
    )


def _relation(content: Mapping[str, Any]) -> Mapping[str, Any]:
    relation = content.get("m.relates_to")
    return relation if isinstance(relation, Mapping) else {}
