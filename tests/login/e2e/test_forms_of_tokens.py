"""Forms of tokens that docs/login.md describes: sizes, encryption, keys without a name, check digits."""

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from synapse_tim.jose import jwe, jwk
from synapse_tim.jose import signed_token as token_signature
from synapse_tim.testing.merge import REMOVED
from synapse_tim.testing.simulator.idp.jwe import encrypt
from tests.login.e2e.test_start_up import server_with
from tests.login.e2e.world import AUDIENCE, Keys, broker, logged_in, refused

pytestmark = pytest.mark.servers


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    return Keys(tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="module")
def own(keys):
    return keys.private("own")


@pytest.fixture(scope="module")
def server(module_ti, keys, own, tmp_path_factory):
    """A server that has a key, and whose provider need not encrypt."""
    path, _ = own
    login = {
        "providers": [broker(module_ti, keys.secret("hash"), encrypted=False)],
        "decryption_keys": [path],
    }
    server = server_with(tmp_path_factory.mktemp("server"), module_ti, login=login)
    try:
        yield server.start().wait()
    finally:
        server.stop()


@pytest.fixture
def mint(module_ti):
    def mint(**changes):
        return module_ti.broker.mint("doctor", audience=AUDIENCE, **changes)

    return mint


def for_us(own, token, **header):
    return encrypt(token.encode(), jwk.public_key(dict(own[1].public_jwk)), header=header)


def test_where_encryption_is_not_demanded_both_are_accepted(server, own, mint):
    logged_in(server, mint())
    logged_in(server, for_us(own, mint(), kid=own[1].kid))
    other = ec.generate_private_key(ec.SECP256R1()).public_key()
    refused(server, encrypt(mint().encode(), other), "not_decrypted")
    refused(server, encrypt(mint().encode(), other, header={"kid": "another"}), "no_decryption_key")


def test_a_token_without_a_key_name_is_verified_with_all_keys_of_the_provider(server, own, mint):
    logged_in(server, mint(header={"kid": REMOVED}))
    logged_in(server, for_us(own, mint(header={"kid": REMOVED})))
    refused(server, mint(header={"kid": "another"}), "key_unknown")


def test_signed_tokens_have_32_kib_and_encrypted_ones_64(server, own, mint):
    large = mint(claims={"more": "x" * 23_000})
    assert token_signature.MAX_BYTES * 0.9 < len(large) <= token_signature.MAX_BYTES
    logged_in(server, large)
    refused(server, mint(claims={"more": "x" * 25_000}), "too_large")
    encrypted = for_us(own, mint(claims={"more": "x" * 23_000}))
    assert len(encrypted) > token_signature.MAX_BYTES
    logged_in(server, encrypted)
    sealed = for_us(own, mint(claims={"more": "x" * 34_000}))
    assert token_signature.MAX_BYTES < len(sealed) <= jwe.MAX_BYTES
    refused(server, sealed, "too_large")  # what is in it
    refused(server, for_us(own, mint(claims={"more": "x" * 40_000})), "too_large")


def check_digit(letter, digits):
    """Of a KVNR: weights 1, 2, 1, 2 … over the two digits of the letter and the eight that follow."""
    numbers = [int(digit) for digit in f"{ord(letter) - ord('A') + 1:02}{digits[:8]}"]
    products = (number * (1 + place % 2) for place, number in enumerate(numbers))
    return sum(product // 10 + product % 10 for product in products) % 10


def test_the_check_digit_of_a_kvnr_is_not_looked_at(world):
    assert check_digit("A", "12345678") == 0  # A123456780
    eight = "00000817"
    right = check_digit("X", eight)
    for digit in (right, (right + 1) % 10):
        person = world.insured(kvnr=f"X{eight}{digit}")
        logged_in(world.insurer, world.insured_token(person))
