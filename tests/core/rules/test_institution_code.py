"""Institution codes."""

import pytest

from synapse_tim.core.institution_code import is_code


@pytest.mark.parametrize(
    ("text", "answer"),
    [("109500969", True), ("10950096", False), ("1095009690", False), ("10950096٣", False)],
)
def test_nine_digits_are_an_institution_code(text, answer):
    assert is_code(text) == answer
