"""Durations are understood exactly as Synapse understands them."""

import contextlib

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from synapse.config._base import Config

from synapse_tim.core import durations

_NUMBERS = st.one_of(
    st.integers().map(str),
    st.text(alphabet="0123456789 _+-.٣²e", max_size=8),
)
_TEXTS = st.one_of(
    st.tuples(_NUMBERS, st.sampled_from([*"smhdwyS \n²٣", "", "ms"])).map("".join),
    st.text(max_size=8),
)


def understood(parse, value):
    """The milliseconds, or ``None`` if it is refused, for whatever reason."""
    try:
        return parse(value)
    except (ValueError, TypeError, IndexError):  # Synapse's fails in several ways
        return None


@given(_TEXTS | st.integers())
@example("")
@example("s")
@example("30s")
@example("1_000s")
@example(" 30s")
@example("30 s")
@example("5000 ")
@example("5000\n")
@example("-5d")
@example("٣s")
@example("5²")
@example("1.5h")
def test_what_synapse_takes_is_taken_as_synapse_takes_it(value):
    assert understood(durations.parse, value) == understood(Config.parse_duration, value)


@given(_TEXTS)
def test_what_is_no_duration_is_a_value_error(value):
    with contextlib.suppress(ValueError):
        assert type(durations.parse(value)) is int


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [(30_000, "30s"), (300_000, "5m"), (86_400_000, "1d"), (1_209_600_000, "2w"), (1500, "1500ms")],
)
def test_a_duration_is_written_with_the_longest_unit(milliseconds, text):
    assert durations.to_text(milliseconds) == text


@given(st.integers(1, 10**12))
def test_what_is_written_is_read_back(milliseconds):
    text = durations.to_text(milliseconds)
    assert durations.parse(text.removesuffix("ms")) == milliseconds
