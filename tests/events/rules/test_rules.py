"""A_26228-01, A_25395-02, A_28358: reactions, threads and redactions."""

import datetime as dt
import itertools

import emoji
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from synapse_tim.events.config import EventPolicyConfig
from synapse_tim.events.denials import REACTION, REDACTION_TOO_LATE, THREAD
from synapse_tim.events.rules import MESSAGE_TYPES, REDACTS_ALL, EventRules, is_one_emoji, redacts_all

DAY = dt.timedelta(hours=24)
RULES = EventRules(single_emoji_reactions=True, threads=False, redaction_window=DAY)
LAX = EventRules(single_emoji_reactions=False, threads=True, redaction_window=None)

#: All that Unicode knows, in every form but the parts that colour hair and skin.
GENUINE = [
    character for character, facts in emoji.EMOJI_DATA.items() if facts["status"] != emoji.STATUS["component"]
]
KISS = "\U0001f469\U0001f3fb\u200d\u2764\ufe0f\u200d\U0001f48b\u200d\U0001f468\U0001f3ff"


def reaction(key, rel_type="m.annotation"):
    return {"m.relates_to": {"rel_type": rel_type, "event_id": "$e", "key": key}}


# Reactions ------------------------------------------------------------------------------------------------


def test_a_26228_01_every_genuine_emoji_is_one():
    assert len(GENUINE) > 5000
    assert [each for each in GENUINE if not is_one_emoji(each)] == []


def test_a_26228_01_two_emojis_are_not_one():
    pairs = [one + other for one, other in itertools.pairwise(GENUINE)]
    assert [pair for pair in pairs if is_one_emoji(pair)] == []
    assert [each for each in GENUINE if is_one_emoji(each + each)] == []


@given(st.sampled_from(GENUINE), st.sampled_from(GENUINE))
def test_a_26228_01_no_two_different_emojis_are_one(one, other):
    assume(one != other)
    assert not is_one_emoji(one + other)


@given(st.sampled_from(GENUINE), st.characters(categories=["L", "N", "Z", "Cc", "P"], min_codepoint=1))
def test_a_26228_01_an_emoji_with_a_letter_digit_or_space_is_none(character, other):
    assume(other not in emoji.EMOJI_DATA)
    assert not is_one_emoji(character + other)
    assert not is_one_emoji(other + character)


@given(st.text(st.characters(categories=["L", "Nd", "Z", "Cc"]), max_size=40))
def test_a_26228_01_letters_digits_and_spaces_are_no_emoji(text):
    assume(text not in emoji.EMOJI_DATA)  # a few letters are, such as a circled M
    assert not is_one_emoji(text)


@pytest.mark.parametrize(
    "text",
    [
        "\u2764",
        "\u2764\ufe0e",
        "\u2764\ufe0f",
        "\U0001f44d\ufe0f",  # a selector that changes nothing
        "\U0001f44d\U0001f3fd",
        "\U0001f1e9\U0001f1ea",
        "1\ufe0f\u20e3",
        "#\u20e3",
        "\U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466",
        "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
        KISS,
    ],
)
def test_a_26228_01_selectors_skins_flags_keycaps_and_sequences_belong_to_their_emoji(text):
    assert is_one_emoji(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "ok",
        "1",
        "#",
        "1\ufe0f",
        "\ufe0f",
        "\u200d",
        "\u20e3",
        ":thumbsup:",
        ":-)",
        "\U0001f44d ",
        "\n\U0001f44d",
        "\U0001f44da",
        "\U0001f44d\u200d",
        "\U0001f44d\u200d\U0001f44d",
        "\U0001f44d\u200d\u2764\ufe0f",
        "\u200d\U0001f44d",
        "\U0001f44d\u200b",
        "\U0001f44d\u0301",
        "\U0001f44d\u20e3",
        "\U0001f1e9",
        "\U0001f1fd\U0001f1fd",
        "\U0001f1e9\U0001f1ea\U0001f1eb",
        "\U0001f44d\U0001f3fd\U0001f3fd",
        "\U0001f3f4\U000e0067",
        "\ud83d\udc4d",
        "\ud83d",
        "\U0001f44d" + 32 * "\ufe0f",
        pytest.param(100_000 * "\U0001f44d", id="many"),
    ],
)
def test_a_26228_01_anything_else_is_none(text):
    assert not is_one_emoji(text)


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"m.relates_to": None},
        {"m.relates_to": {}},
        {"m.relates_to": [reaction("\U0001f44d")["m.relates_to"]]},
        {"m.relates_to": {"rel_type": "m.annotation"}},
        {"m.relates_to": {"key": "\U0001f44d"}},
        reaction(None),
        reaction(["\U0001f44d"]),
        reaction("ok"),
        reaction(""),
        reaction("\U0001f44d", rel_type="m.thread"),
        reaction("\U0001f44d", rel_type=["m.annotation"]),
    ],
)
def test_a_26228_01_a_reaction_is_an_annotation_with_one_emoji(content):
    assert RULES.check("m.reaction", content) is REACTION
    assert LAX.check("m.reaction", content) is None
    assert RULES.check("m.reaction", {**content, **reaction("\U0001f44d")}) is None


def test_only_reactions_are_held_to_one_emoji():
    for kind in ("m.room.message", "m.room.encrypted", "M.reaction", ""):
        assert RULES.check(kind, reaction("ok")) is None


# Threads --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["m.room.message", "m.room.encrypted", "m.sticker", "org.example"])
def test_a_25395_02_threads_are_allowed_by_a_switch(kind):
    content = {"body": "x", "m.relates_to": {"rel_type": "m.thread", "event_id": "$e"}}
    assert RULES.check(kind, content) is THREAD
    assert LAX.check(kind, content) is None


@pytest.mark.parametrize("relation", [None, [], {}, {"m.in_reply_to": {}}, {"rel_type": "m.replace"}])
def test_a_25395_02_other_relations_are_no_threads(relation):
    assert RULES.check("m.room.message", {"m.relates_to": relation}) is None
    assert RULES.check("m.room.message", {"rel_type": "m.thread"}) is None


# Redactions -----------------------------------------------------------------------------------------------


def test_a_28358_an_event_is_redacted_within_the_window():
    millisecond = dt.timedelta(milliseconds=1)
    for age in (-DAY, 0 * DAY, DAY - millisecond, DAY):
        assert RULES.check_redaction(age) is None
    for age in (DAY + millisecond, 1000 * DAY):
        assert RULES.check_redaction(age) is REDACTION_TOO_LATE
        assert LAX.check_redaction(age) is None


# Whatever is sent -----------------------------------------------------------------------------------------

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda x: st.lists(x, max_size=3) | st.dictionaries(st.text(max_size=5), x, max_size=3),
    max_leaves=6,
)
RELATION = st.fixed_dictionaries(
    {},
    optional={
        "rel_type": st.sampled_from(["m.annotation", "m.thread"]) | JSON,
        "key": st.sampled_from(GENUINE) | st.text(st.characters(exclude_categories=[])) | JSON,
    },
)
KINDS = st.sampled_from(["m.reaction", "m.room.message", "m.room.redaction"]) | st.text(max_size=5)


@given(KINDS, st.dictionaries(st.just("m.relates_to"), RELATION | JSON) | st.dictionaries(st.text(), JSON))
def test_any_content_is_judged(kind, content):
    assert RULES.check(kind, content) in (None, REACTION, THREAD)
    assert LAX.check(kind, content) is None
    if kind == "m.reaction" and RULES.check(kind, content) is None:
        assert is_one_emoji(content["m.relates_to"]["key"])


# Kicks and bans that redact -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "subject", "content", "redacts"),
    [
        ("m.room.member", "@b:x", {"membership": "ban", REDACTS_ALL: True}, True),
        ("m.room.member", "@b:x", {"membership": "leave", REDACTS_ALL: True}, True),
        ("m.room.member", "@a:x", {"membership": "leave", REDACTS_ALL: True}, False),
        ("m.room.member", "@b:x", {"membership": "invite", REDACTS_ALL: True}, False),
        ("m.room.member", "@b:x", {"membership": "ban"}, False),
        ("m.room.member", "@b:x", {"membership": "ban", REDACTS_ALL: "true"}, False),
        ("m.room.member", "@b:x", {"membership": "ban", REDACTS_ALL: 1}, False),
        ("m.room.member", None, {"membership": ["ban"], REDACTS_ALL: True}, False),
        ("m.room.topic", "@b:x", {"membership": "ban", REDACTS_ALL: True}, False),
    ],
)
def test_a_28358_which_kicks_and_bans_redact(kind, subject, content, redacts):
    assert redacts_all(kind, "@a:x", subject, content) is redacts


def test_a_26015_02_what_is_encrypted_or_never_is_costs_nothing():
    """No check is registered for those types."""
    assert MESSAGE_TYPES.isdisjoint({"m.room.encrypted", "m.reaction", "m.room.redaction", "m.room.member"})
    assert {"m.room.message", "m.sticker", "m.poll.start", "org.matrix.msc3381.poll.start"} <= MESSAGE_TYPES
    assert {"m.call.invite", "m.beacon", "m.location", "de.gematik.fhir"} <= MESSAGE_TYPES


@pytest.mark.parametrize("spec_version", ["1.1", "1.2", "draft-1.15"])
def test_a_26015_02_clear_text_is_refused_for_insured_persons_unless_configured(spec_version):
    def required(product, **events):
        block = {"product": product, "spec_version": spec_version, "events": events}
        return EventPolicyConfig.model_validate(block).events.require_encryption

    assert required("epa") and not required("pro")
    assert required("pro", require_encryption=True) and not required("epa", require_encryption=False)
