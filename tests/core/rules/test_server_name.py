"""R1.2: server names, compared in lower case, exactly and with their port."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synapse_tim.core.server_name import MAX_LENGTH, are_normal, normalise, of_matrix_id

GOOD = [
    "a",
    "hospital.example",
    "xn--krankenhuser-ncb.example",
    "a-b.c--d.example",
    "192.0.2.7",
    "hospital.example:8448",
    "1.2.3",
    "a" * 63 + ".example",
]
BAD = [
    "",
    ".",
    "hospital.example.",
    ".hospital.example",
    "hospital..example",
    "-hospital.example",
    "hospital-.example",
    "hospital.example-",
    "hospital.-example",
    "a" * 64 + ".example",
    "hospital.example:",
    "hospital.example:123456",
    "hospital.example:80:80",
    "hospital.example:８４４８",
    "[2001:db8::1]",
    "hospital_1.example",
    "*.example",
    "hospital.example ",
    " hospital.example",
    "hospital.example\n",
    "hospital\n.example",
    "hospital.example/path",
    "user@hospital.example",
    "krankenhäuser.example",
    "\u212aranken.example",  # the Kelvin sign: lower case is an ASCII k
    "İnsurer.example",
    "ſ.example",
    "hospital.example\0",
]


@pytest.mark.parametrize("name", GOOD)
def test_a_server_name_stays_as_it_is(name):
    assert normalise(name) == name


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_server_name_is_none(name):
    assert normalise(name) is None


def test_upper_case_is_lowered_and_the_port_stays():
    assert normalise("Hospital.EXAMPLE:8448") == "hospital.example:8448"


def test_a_name_has_at_most_230_octets():
    longest = "a." * 100 + "b" * (MAX_LENGTH - 200)
    assert normalise(longest) == longest
    assert normalise(longest + "b") is None
    assert are_normal([longest])
    assert not are_normal([longest + "b"])


def test_one_bad_name_is_found_among_many():
    assert are_normal([])
    assert are_normal(GOOD)
    for bad in (*BAD, "Hospital.example", "a.example\nb.example", "a.example\n"):
        assert not are_normal([*GOOD, bad, *GOOD]), bad
        assert not are_normal([bad]), bad


ANY_NAME = st.one_of(
    st.text(max_size=20),
    st.text(alphabet="aA0-.:\n", max_size=12),
    st.from_regex(r"[a-z0-9.:-]{1,20}", fullmatch=True),
    st.sampled_from(GOOD + BAD),
)


@given(st.lists(ANY_NAME, max_size=5))
def test_names_are_normal_if_and_only_if_each_normalises_to_itself(names):
    assert are_normal(names) is all(normalise(name) == name for name in names)


@given(ANY_NAME)
def test_normalising_twice_changes_nothing(name):
    once = normalise(name)
    assert once is None or normalise(once) == once


@pytest.mark.parametrize(
    ("matrix_id", "name"),
    [
        ("@alice:hospital.example", "hospital.example"),
        ("@alice:hospital.example:8448", "hospital.example:8448"),
        ("#room:Hospital.example", "Hospital.example"),
        ("@alice", None),
        ("", None),
        ("@alice:", ""),
        ("!opaque", None),
    ],
)
def test_the_server_of_an_id_is_what_follows_the_first_colon(matrix_id, name):
    assert of_matrix_id(matrix_id) == name
