"""R4.1: nonces that this server hands out, and no others."""

import datetime as dt
import hashlib
import hmac
import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synapse_tim.jose.compact import base64url_decode, base64url_encode
from synapse_tim.login.rules.nonces import LIFETIME, NonceMint
from tests.support.helpers import NOW, SECOND

MINT = NonceMint(b"secret" * 8)
NONCE = MINT.make(NOW)


def test_a_nonce_is_text_that_a_url_takes():
    assert len(NONCE) == 75
    assert set(NONCE) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


def test_every_nonce_is_another_one():
    assert len({MINT.make(NOW) for _ in range(1000)}) == 1000


def test_a_nonce_holds_for_ten_minutes():
    assert dt.timedelta(minutes=10) == LIFETIME
    for moment in (NOW, NOW + SECOND, NOW + LIFETIME, NOW - SECOND):
        assert MINT.holds_until(NONCE, moment) == NOW + LIFETIME
    for moment in (
        NOW + LIFETIME + SECOND,
        NOW + LIFETIME + dt.timedelta(microseconds=1),
        NOW + 9 * LIFETIME,
    ):
        assert MINT.holds_until(NONCE, moment) is None


def test_all_processes_know_each_others_nonces():
    assert NonceMint(b"secret" * 8).holds_until(NONCE, NOW)


def test_a_nonce_of_another_server_is_refused():
    for secret in (b"", b"secret", b"secret" * 9):
        assert NonceMint(secret).holds_until(NONCE, NOW) is None
        assert MINT.holds_until(NonceMint(secret).make(NOW), NOW) is None


def test_a_nonce_lives_no_longer_because_somebody_says_so():
    octets = bytes(base64url_decode(NONCE.encode()))
    later = int((NOW + 9 * LIFETIME).timestamp()).to_bytes(8, "big")
    forged = octets[:16] + later + octets[24:]
    assert MINT.holds_until(base64url_encode(forged).decode(), NOW) is None


def test_the_secret_signs_nothing_else_that_passes_for_a_nonce():
    value = bytes(16) + int((NOW + LIFETIME).timestamp()).to_bytes(8, "big")
    code = hmac.new(b"secret" * 8, value, hashlib.sha256).digest()
    assert MINT.holds_until(base64url_encode(value + code).decode(), NOW) is None


def test_the_secret_is_not_shown():
    assert "secret'" not in repr(MINT)
    assert "b'" not in repr(MINT)


@pytest.mark.parametrize(
    "nonce",
    [
        "",
        "a",
        "A" * 75,
        NONCE[:-1],
        NONCE + "A",
        NONCE + "=",
        NONCE + "\n",
        " " + NONCE,
        NONCE[1:],
        NONCE * 2,
        "é",
    ],
    ids=itertools.count(),
)
def test_what_is_no_nonce_is_refused(nonce):
    assert MINT.holds_until(nonce, NOW) is None


@settings(max_examples=300)
@given(st.integers(0, 74), st.characters(min_codepoint=32, max_codepoint=0x17F))
def test_a_changed_character_is_refused(position, character):
    changed = NONCE[:position] + character + NONCE[position + 1 :]
    assert bool(MINT.holds_until(changed, NOW)) is (changed == NONCE)


@given(st.text(max_size=100) | st.binary(max_size=80).map(lambda octets: base64url_encode(octets).decode()))
def test_anything_is_refused(nonce):
    assert MINT.holds_until(nonce, NOW) is None
