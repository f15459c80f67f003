"""R4.4: encrypted tokens: which are decrypted, and what is refused before or after the attempt."""

import base64
import itertools
import json

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import given, settings
from hypothesis import strategies as st

from synapse_tim.jose import jwe, jwk
from synapse_tim.jose.compact import base64url_decode, base64url_encode
from synapse_tim.jose.errors import JoseError, JoseReason
from synapse_tim.jose.jwe import MAX_BYTES, DecryptionKey, decrypt, decrypt_with, derive, is_encrypted
from synapse_tim.testing.merge import REMOVED
from synapse_tim.testing.simulator.idp.jwe import encrypt

P256, BP256, P384 = ec.SECP256R1(), ec.BrainpoolP256R1(), ec.SECP384R1()
KEYS = {curve.name: DecryptionKey.of(ec.generate_private_key(curve)) for curve in (P256, BP256, P384)}
OURS, BRAINPOOL = KEYS[P256.name], KEYS[BP256.name]
SECRET = bytes(range(32))
BOTH = pytest.mark.parametrize("key", [OURS, BRAINPOOL], ids=["P-256", "BP-256"])


def refused(reason):
    return pytest.raises(JoseError, match=rf"^{reason.value}(:|$)")


def sealed(plaintext=b"inner", key=OURS, **header):
    return encrypt(plaintext, key.key.public_key(), header=header).encode()


def b64(octets):
    return base64url_encode(octets)


def with_segment(token, position, segment):
    segments = token.split(b".")
    segments[position] = segment
    return b".".join(segments)


def octets_of(token, position):
    return bytes(base64url_decode(token.split(b".")[position]))


def test_the_key_derivation_is_that_of_rfc_7518(monkeypatch):
    """Appendix C, which has another content encryption."""
    mine = {
        "kty": "EC",
        "crv": "P-256",
        "x": "gI0GAILBdu7T53akrFmMyGcsF3n5dO7MmwNBHKW5SV0",
        "y": "SLW_xSffzlPWrHEVI30DHM_4egVwt3NQqeUD7nMFpps",
    }
    private = base64.urlsafe_b64decode("VEmDZpDXXK8p8N0Cndsxs924q6nS1RXFASRl6BfUqdw=")
    bob = ec.derive_private_key(int.from_bytes(private, "big"), P256)
    shared = bob.exchange(ec.ECDH(), jwk.public_key(mine))
    assert list(shared[:4]) == [158, 86, 217, 29]
    parties = jwe.length_and(b"Alice") + jwe.length_and(b"Bob")
    monkeypatch.setattr(jwe, "CONTENT_ENCRYPTION", "A128GCM")
    monkeypatch.setattr(jwe, "_KEY_BYTES", 16)
    assert b64(derive(shared, parties)) == b"VqqN6vgjbSBcIijNcacQGg"


def test_the_derived_key_depends_on_the_secret_and_on_both_parties():
    parties = {
        jwe.length_and(a) + jwe.length_and(b)
        for a, b in ((b"", b""), (b"a", b"b"), (b"ab", b""), (b"b", b"a"))
    }
    derived = {derive(secret, each) for secret in (SECRET, SECRET[::-1]) for each in parties}
    assert len(derived) == 8
    assert {len(key) for key in derived} == {32}


@BOTH
@pytest.mark.parametrize(
    "header",
    [{}, {"cty": "JWT"}, {"apu": "QWxpY2U", "apv": "Qm9i"}, {"apu": ""}, {"typ": "JWT", "future": [1]}],
    ids=str,
)
def test_a_token_for_us_is_decrypted(key, header):
    assert decrypt(sealed(key=key, **header), [key]) == b"inner"
    assert decrypt(sealed(key=key, kid=key.kid, **header), [key]) == b"inner"


def test_a_token_with_a_key_in_common_is_decrypted():
    assert decrypt_with(encrypt(b"inner", SECRET).encode(), SECRET) == b"inner"
    assert decrypt_with(encrypt(b"", SECRET, header={"cty": "NJWT"}).encode(), SECRET) == b""
    for length in (0, 16, 31, 33):
        with pytest.raises(ValueError, match="32 bytes"):
            decrypt_with(encrypt(b"inner", SECRET).encode(), bytes(length))


@settings(max_examples=30)
@given(st.binary(max_size=300))
def test_any_content_comes_back(plaintext):
    assert decrypt(sealed(plaintext), [OURS]) == plaintext
    assert decrypt_with(encrypt(plaintext, SECRET).encode(), SECRET) == plaintext


@BOTH
@pytest.mark.parametrize("header", [{}, {"apu": "QWxpY2U", "apv": "Qm9i"}, {"cty": "JWT"}], ids=str)
def test_another_implementation_reads_and_writes_the_same(key, header):
    theirs_jwk, theirs_jwe = pytest.importorskip("jwcrypto.jwk"), pytest.importorskip("jwcrypto.jwe")
    protected = json.dumps({"alg": "ECDH-ES", "enc": "A256GCM", "kid": key.kid, **header})
    theirs = theirs_jwe.JWE(b"theirs", protected, recipient=theirs_jwk.JWK(**key.public_jwk))
    assert decrypt(theirs.serialize(compact=True).encode(), [key]) == b"theirs"
    read = theirs_jwe.JWE()
    read.deserialize(sealed(b"ours", key, **header).decode(), theirs_jwk.JWK.from_pyca(key.key))
    assert read.payload == b"ours"


@pytest.mark.parametrize("curve", [ec.SECP256R1, ec.BrainpoolP256R1])
def test_what_we_encrypt_is_read_by_others_and_by_nobody_else(curve):
    theirs_jwk, theirs_jwe = pytest.importorskip("jwcrypto.jwk"), pytest.importorskip("jwcrypto.jwe")
    key, other = ec.generate_private_key(curve()), ec.generate_private_key(curve())
    token = jwe.encrypt(b"secret", key.public_key(), {"cty": "JSON", "alg": "none"})
    received = theirs_jwe.JWE()
    received.deserialize(token, key=theirs_jwk.JWK.from_pyca(key))
    assert received.payload == b"secret"
    assert (received.jose_header["alg"], received.jose_header["cty"]) == ("ECDH-ES", "JSON")
    assert jwe.encrypt(b"secret", key.public_key(), {}) != token
    with pytest.raises(JoseError):
        decrypt(token.encode(), [DecryptionKey.of(other)])


def test_another_implementation_reads_and_writes_the_same_with_a_key_in_common():
    theirs_jwk, theirs_jwe = pytest.importorskip("jwcrypto.jwk"), pytest.importorskip("jwcrypto.jwe")
    key = theirs_jwk.JWK(kty="oct", k=b64(SECRET).decode())
    theirs = theirs_jwe.JWE(b"theirs", json.dumps({"alg": "dir", "enc": "A256GCM"}), recipient=key)
    assert decrypt_with(theirs.serialize(compact=True).encode(), SECRET) == b"theirs"
    read = theirs_jwe.JWE()
    read.deserialize(encrypt(b"ours", SECRET), key)
    assert read.payload == b"ours"


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        *(
            ({"alg": alg}, JoseReason.ENCRYPTION_NOT_ALLOWED)
            for alg in ("RSA1_5", "RSA-OAEP", "ECDH-ES+A256KW", "dir", "A256KW", "PBES2-HS256+A128KW", "none")
        ),
        *(
            ({"alg": alg}, JoseReason.ENCRYPTION_NOT_ALLOWED)
            for alg in ("ecdh-es", "", None, ["ECDH-ES"], REMOVED)
        ),
        *(
            ({"enc": enc}, JoseReason.ENCRYPTION_NOT_ALLOWED)
            for enc in ("A128GCM", "A256CBC-HS512", "a256gcm", None, REMOVED)
        ),
        ({"zip": "DEF"}, JoseReason.HEADER_UNSUPPORTED),
        ({"zip": None}, JoseReason.HEADER_UNSUPPORTED),
        ({"crit": ["exp"]}, JoseReason.HEADER_UNSUPPORTED),
        ({"crit": []}, JoseReason.HEADER_UNSUPPORTED),
        ({"b64": False}, JoseReason.HEADER_UNSUPPORTED),
        ({"cty": None}, JoseReason.HEADER_UNSUPPORTED),
        ({"cty": ["JWT"]}, JoseReason.HEADER_UNSUPPORTED),
        ({"typ": 1}, JoseReason.HEADER_MALFORMED),
        ({"apu": 1}, JoseReason.HEADER_MALFORMED),
        ({"apv": None}, JoseReason.HEADER_MALFORMED),
        ({"apv": "é"}, JoseReason.HEADER_MALFORMED),
        ({"apu": "A" * 516}, JoseReason.HEADER_MALFORMED),
        ({"apu": "QQ=="}, JoseReason.BASE64),
        ({"apv": "QR"}, JoseReason.BASE64),
        ({"kid": "another"}, JoseReason.NO_DECRYPTION_KEY),
        ({"kid": ["another"]}, JoseReason.NO_DECRYPTION_KEY),
        ({"kid": ""}, JoseReason.NO_DECRYPTION_KEY),
    ],
    ids=str,
)
def test_a_header_outside_the_profile_is_refused(header, reason):
    with refused(reason):
        decrypt(sealed(**header), [OURS])


def test_one_algorithm_does_not_pass_for_the_other():
    with refused(JoseReason.ENCRYPTION_NOT_ALLOWED):
        decrypt(encrypt(b"inner", SECRET).encode(), [OURS])
    with refused(JoseReason.ENCRYPTION_NOT_ALLOWED):
        decrypt_with(sealed(), SECRET)
    for header, read in (
        ({"alg": "ECDH-ES", "epk": jwk.to_jwk(OURS.key.public_key())}, lambda token: decrypt(token, [OURS])),
        ({"alg": "ECDH-ES"}, lambda token: decrypt_with(token, SECRET)),
    ):
        with pytest.raises(JoseError):
            read(encrypt(b"inner", SECRET, header=header).encode())
    with refused(JoseReason.NOT_DECRYPTED):
        decrypt_with(sealed(alg="dir", epk=REMOVED), SECRET)


def coordinates(x, y, crv="P-256"):
    return {"kty": "EC", "crv": crv, "x": b64(x).decode(), "y": b64(y).decode()}


@pytest.mark.parametrize(
    "epk",
    [
        REMOVED,
        None,
        {},
        "key",
        [],
        coordinates(b"\0" * 32, b"\0" * 32),
        coordinates(b"\x01" * 32, b"\x01" * 32),
        coordinates(b"\x01" * 32, b"\x01" * 32, "BP-256"),
        coordinates(b"\xff" * 32, b"\xff" * 32),
        coordinates(b"\x01" * 31, b"\x01" * 32),
        {**jwk.to_jwk(BRAINPOOL.key.public_key()), "crv": "P-256"},
        {**jwk.to_jwk(OURS.key.public_key()), "crv": "BP-256"},
        {**jwk.to_jwk(OURS.key.public_key()), "crv": "secp256k1"},
        {**jwk.to_jwk(OURS.key.public_key()), "d": "AA"},
        {"kty": "oct", "k": "AAAA"},
        {"kty": "OKP", "crv": "Ed25519", "x": b64(bytes(32)).decode()},
        {"kty": "OKP", "crv": "X25519", "x": b64(bytes(32)).decode()},
        {"kty": "RSA", "e": "AQAB", "n": b64((1 << 2047).to_bytes(256, "big")[:-1] + b"\x01").decode()},
    ],
    ids=itertools.count(),
)
def test_an_ephemeral_key_on_no_curve_of_ours_is_refused(epk):
    with refused(JoseReason.ENCRYPTION_NOT_ALLOWED):
        decrypt(sealed(epk=epk), [OURS, BRAINPOOL])


@pytest.mark.parametrize("curve", [BP256, P384, ec.SECP521R1()], ids=lambda curve: curve.name)
def test_an_ephemeral_key_on_another_curve_than_our_key_is_refused(curve):
    other = jwk.to_jwk(ec.generate_private_key(curve).public_key())
    for header in ({"epk": other}, {"epk": other, "kid": OURS.kid}):
        with refused(JoseReason.NO_DECRYPTION_KEY):
            decrypt(sealed(**header), [OURS])


@pytest.mark.parametrize("length", [0, 1, 4, 8, 12, 15, 17, 32])
def test_a_tag_has_16_octets(length):
    for token, read in (
        (sealed(), lambda token: decrypt(token, [OURS])),
        (encrypt(b"inner", SECRET).encode(), lambda token: decrypt_with(token, SECRET)),
    ):
        tag = (octets_of(token, 4) * 2)[:length]
        with refused(JoseReason.NOT_A_TOKEN):
            read(with_segment(token, 4, b64(tag)))


def test_octets_do_not_move_between_content_and_tag():
    token = sealed()
    content, tag = octets_of(token, 3), octets_of(token, 4)
    moved = with_segment(with_segment(token, 3, b64(content + tag[:1])), 4, b64(tag[1:]))
    with refused(JoseReason.NOT_A_TOKEN):
        decrypt(moved, [OURS])


@pytest.mark.parametrize("length", [0, 1, 8, 11, 13, 16])
def test_an_initialisation_vector_has_12_octets(length):
    token = sealed()
    with refused(JoseReason.NOT_A_TOKEN):
        decrypt(with_segment(token, 2, b64((octets_of(token, 2) * 2)[:length])), [OURS])


@pytest.mark.parametrize("segment", [b"AAAA", b"A", b"=", b64(bytes(40))])
def test_an_encrypted_key_is_refused(segment):
    with refused(JoseReason.NOT_A_TOKEN):
        decrypt(with_segment(sealed(), 1, segment), [OURS])
    with refused(JoseReason.NOT_A_TOKEN):
        decrypt_with(with_segment(encrypt(b"inner", SECRET).encode(), 1, segment), SECRET)


@pytest.mark.parametrize("position", [0, 2, 3, 4])
def test_a_changed_octet_in_any_segment_is_refused(position):
    token = sealed(kid=OURS.kid)
    octets = octets_of(token, position)
    for index in range(len(octets)):
        changed = bytearray(octets)
        changed[index] ^= 1
        with pytest.raises(JoseError) as caught:
            decrypt(with_segment(token, position, b64(changed)), [OURS])
        if position:
            assert caught.value.reason is JoseReason.NOT_DECRYPTED


GENUINE, WITH_SECRET = sealed(), encrypt(b"inner", SECRET).encode()


@settings(max_examples=300)
@given(st.integers(0, 10_000), st.integers(0, 7))
def test_a_flipped_bit_at_any_position_is_refused(position, bit):
    for token, read in (
        (GENUINE, lambda token: decrypt(token, [OURS])),
        (WITH_SECRET, lambda token: decrypt_with(token, SECRET)),
    ):
        octets = bytearray(token)
        octets[position % len(octets)] ^= 1 << bit
        with pytest.raises(JoseError):
            read(bytes(octets))


@given(st.binary(max_size=200) | st.text("abAB.-_=", max_size=60).map(str.encode))
def test_any_octets_are_refused(octets):
    for read in (lambda: decrypt(octets, [OURS]), lambda: decrypt_with(octets, SECRET)):
        with pytest.raises(JoseError):
            read()


@pytest.mark.parametrize("position", [0, 2, 3, 4])
def test_there_is_one_text_for_each_token(position):
    token = sealed(b"inner!!")
    segment = token.split(b".")[position]
    with pytest.raises(JoseError):
        decrypt(with_segment(token, position, segment + b"A"), [OURS])
    for changed in (segment + b"=", segment + b"\n", b" " + segment, segment[:4] + b"+" + segment[5:]):
        with refused(JoseReason.BASE64):
            decrypt(with_segment(token, position, changed), [OURS])


def test_unused_bits_have_to_be_zero():
    token = sealed()
    tag = token.split(b".")[4]  # of 16 bytes: the last character has four unused bits
    alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    value = alphabet.index(tag[-1:])
    assert value % 16 == 0
    for spare in range(1, 16):
        with refused(JoseReason.BASE64):
            decrypt(with_segment(token, 4, tag[:-1] + alphabet[value + spare : value + spare + 1]), [OURS])


@pytest.mark.parametrize("token", [b"", b"a.b.c", b"a.b.c.d", b"a.b.c.d.e.f", b"....", b"."])
def test_anything_but_five_segments_is_refused(token):
    with pytest.raises(JoseError):
        decrypt(token, [OURS])
    assert is_encrypted(token) is (token == b"....")
    assert is_encrypted(sealed())


@pytest.mark.parametrize(
    "header",
    [b"", b"[]", b"null", b"{", b"\xff", b'{"alg":NaN}', b'{"alg":"ECDH-ES","alg":"ECDH-ES"}', b"[" * 9_000],
)
def test_a_header_that_is_not_a_strict_object_is_refused(header):
    with refused(JoseReason.HEADER_MALFORMED):
        decrypt(with_segment(sealed(), 0, b64(header)), [OURS])


def test_a_nested_member_that_occurs_twice_is_refused():
    token = sealed()
    header = octets_of(token, 0).replace(b'"crv":', b'"crv":"P-256","crv":')
    with refused(JoseReason.HEADER_MALFORMED):
        decrypt(with_segment(token, 0, b64(header)), [OURS])


def test_a_token_has_64_kib_at_most():
    padding = MAX_BYTES - len(sealed(b"")) - 3
    plaintext = b"x" * (padding * 3 // 4)
    token = sealed(plaintext)
    assert MAX_BYTES - 8 < len(token) <= MAX_BYTES
    assert decrypt(token, [OURS]) == plaintext
    with refused(JoseReason.TOO_LARGE):
        decrypt(token + b"A" * (MAX_BYTES + 1 - len(token)), [OURS])
    with refused(JoseReason.TOO_LARGE):
        decrypt_with(b"." * (MAX_BYTES + 1), SECRET)


def test_without_a_key_nothing_is_decrypted():
    for keys in ([], [BRAINPOOL]):
        with refused(JoseReason.NO_DECRYPTION_KEY):
            decrypt(sealed(), keys)


@BOTH
def test_a_token_for_somebody_else_is_not_decrypted(key):
    with refused(JoseReason.NOT_DECRYPTED):
        decrypt(sealed(key=key), [DecryptionKey.of(ec.generate_private_key(key.key.curve))])
    with refused(JoseReason.NOT_DECRYPTED):
        decrypt_with(encrypt(b"inner", SECRET).encode(), SECRET[::-1])


def test_the_name_of_a_key_is_no_proof():
    """The header says the name of our key and is encrypted for another one."""
    other = DecryptionKey.of(ec.generate_private_key(P256))
    with refused(JoseReason.NOT_DECRYPTED):
        decrypt(sealed(key=other, kid=OURS.kid), [OURS])


def test_after_a_rotation_the_old_key_still_decrypts():
    new = DecryptionKey.of(ec.generate_private_key(P256))
    for keys in ([new, OURS], [new, BRAINPOOL, OURS], iter([new, OURS])):
        assert decrypt(sealed(), keys) == b"inner"
    assert decrypt(sealed(kid=OURS.kid), [new, OURS]) == b"inner"
    with refused(JoseReason.NO_DECRYPTION_KEY):
        decrypt(sealed(kid=OURS.kid), [new])


def test_a_token_in_a_token_in_a_token_is_opened_once():
    inner = sealed()
    assert decrypt(sealed(inner), [OURS]) == inner


@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
def test_the_public_half_is_what_others_need_and_no_more(key):
    assert set(key.public_jwk) == {"kty", "crv", "x", "y", "kid", "use", "alg"}
    assert (key.public_jwk["use"], key.public_jwk["alg"]) == ("enc", "ECDH-ES")
    assert key.public_jwk["kid"] == key.kid == jwk.thumbprint(key.key.public_key())
    assert jwk.public_key(dict(key.public_jwk)) == key.key.public_key()
    assert "EllipticCurve" not in repr(key)


def test_a_key_on_another_curve_is_not_ours():
    with pytest.raises(jwk.JwkError):
        DecryptionKey.of(ec.generate_private_key(ec.SECP256K1()))


def test_refusals_say_nothing_about_the_content():
    for token in (
        sealed(b"secret", kid="other"),
        sealed(b"secret", enc="secret"),
        sealed(b"secret", apu="secret!"),
    ):
        with pytest.raises(JoseError) as caught:
            decrypt(token, [OURS])
        assert "secret" not in str(caught.value)


def test_a_key_of_another_kind_is_no_key_to_agree_with():
    numbers = rsa.generate_private_key(65537, 2048).public_key().public_numbers()
    epk = {"kty": "RSA", "n": b64(numbers.n.to_bytes(256, "big")).decode(), "e": "AQAB"}
    with refused(JoseReason.ENCRYPTION_NOT_ALLOWED):
        decrypt(sealed(epk=epk), [OURS])
