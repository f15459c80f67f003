"""R1.3, A_25632: whatever is done to a signed list, it is refused and nothing else goes wrong."""

import base64
import functools

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from synapse_tim.jose.errors import JoseError
from synapse_tim.jose.large_jws import CompactJws
from synapse_tim.pki.certificates import parse_certificate
from synapse_tim.pki.errors import CertificateError
from synapse_tim.pki.signer_path import verify_signer_path
from synapse_tim.testing.simulator.pki.world import make_world, sign_list
from tests.jose.rules.jws_helpers import read
from tests.support.helpers import NOW, document, entry

PAYLOAD = document(entry("hospital.example"))


@functools.cache
def signed_world():
    world = make_world(NOW)
    return world, sign_list(PAYLOAD, world.list_signer)


def verify(octets):
    """Everything between the bytes and a payload that can be believed."""
    world, _ = signed_world()
    jws = CompactJws.parse(octets)
    jws.require_algorithm(frozenset({"BP256R1"}))
    roots = [root.certificate for root in world.roots]
    verify_signer_path(jws.signer, [world.sub_ca.certificate], roots, NOW, allow_test=True)
    jws.verify_signature()
    return bytes(jws.payload())


def never_accepted(octets):
    with pytest.raises((JoseError, CertificateError)):
        verify(octets)


def test_the_undamaged_list_is_accepted():
    assert verify(signed_world()[1]) == PAYLOAD


POSITION = st.integers(0, 10_000)


@pytest.mark.filterwarnings("ignore:Attribute's length")
@settings(max_examples=400)
@given(POSITION, st.integers(0, 7))
def test_a_flipped_bit_at_any_position_is_refused(position, bit):
    octets = bytearray(signed_world()[1])
    octets[position % len(octets)] ^= 1 << bit
    never_accepted(bytes(octets))


@given(POSITION)
def test_a_truncation_at_any_length_is_refused(length):
    _, octets = signed_world()
    never_accepted(octets[: length % len(octets)])


def test_a_truncation_by_a_few_characters_is_refused():
    _, octets = signed_world()
    for length in range(1, 100):
        never_accepted(octets[:-length])
        never_accepted(octets[length:])


@settings(max_examples=300)
@given(POSITION, st.binary(min_size=1, max_size=3))
def test_inserted_characters_are_refused(position, inserted):
    _, octets = signed_world()
    position %= len(octets) + 1
    if position in (0, len(octets)) and not inserted.strip(b" \t\r\n"):
        assert verify(octets[:position] + inserted + octets[position:]) == PAYLOAD
    else:
        never_accepted(octets[:position] + inserted + octets[position:])


@given(POSITION, POSITION, st.integers(1, 64))
def test_a_piece_copied_elsewhere_is_refused(source, target, length):
    _, octets = signed_world()
    source, target = source % len(octets), target % len(octets)
    damaged = octets[:target] + octets[source : source + length] + octets[target + length :]
    if damaged == octets:
        assert verify(damaged) == PAYLOAD
    else:
        never_accepted(damaged)


@given(st.binary(max_size=200))
@example(b"..")
def test_any_octets_are_refused(octets):
    never_accepted(octets)


HEADER = st.dictionaries(
    st.sampled_from(["alg", "x5c", "typ", "crit", "b64", "kid"]),
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.text(max_size=9)
        | st.sampled_from(["BP256R1", "none"]),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    ),
)


@given(HEADER)
def test_any_header_is_refused(header):
    world, _ = signed_world()
    never_accepted(sign_list(PAYLOAD, world.list_signer, header={"x5c": None, **header}))


@pytest.mark.filterwarnings("ignore:Attribute's length")
@settings(max_examples=300)
@given(POSITION, st.integers(1, 255))
def test_a_signer_with_any_octet_changed_is_refused(position, difference):
    """The library parses lazily: whatever it stumbles over, and whenever, is a refusal."""
    world, _ = signed_world()
    der = bytearray(world.list_signer.der)
    der[position % len(der)] ^= difference
    x5c = [base64.b64encode(der).decode()]
    never_accepted(sign_list(PAYLOAD, world.list_signer, header={"x5c": x5c}))


@given(st.binary(max_size=100))
def test_any_certificate_is_parsed_or_refused(der):
    with pytest.raises(CertificateError):
        parse_certificate(der)


@given(st.binary(min_size=1, max_size=100))
def test_any_signed_payload_comes_back_as_it_was(payload):
    world, _ = signed_world()
    assert read(sign_list(payload, world.list_signer)) == payload
