"""R4.1, R4.4: signed tokens: which key counts, which algorithm, and what is never looked at."""

import base64
import functools
import hashlib
import json

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, settings
from hypothesis import strategies as st

from synapse_tim.jose import jwk
from synapse_tim.jose.compact import base64url_decode, base64url_encode
from synapse_tim.jose.errors import JoseError, JoseReason
from synapse_tim.jose.jwk import KeySet, VerificationKey
from synapse_tim.jose.signed_token import ALGORITHMS, MAX_BYTES, SignatureRules, SignedToken
from synapse_tim.testing.merge import REMOVED
from synapse_tim.testing.simulator.idp.jws import sign_token
from tests.support.keys import private

SIGNERS = {
    "BP256R1": "BP-256",
    "ES256": "P-256",
    "ES384": "P-384",
    "ES512": "P-521",
    **dict.fromkeys((name for name in ALGORITHMS if name[:2] in ("RS", "PS")), "RSA"),
    "EdDSA": "Ed25519",
}


def signer(algorithm):
    return private(SIGNERS[algorithm])


CLAIMS = {"iss": "https://idp.example", "sub": "ä"}
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def refused(reason):
    return pytest.raises(JoseError, match=rf"^{reason.value}(:|$)")


def token_of(key=None, algorithm="ES256", claims=CLAIMS, **header):
    return sign_token(
        claims, key or private("P-256"), algorithm=algorithm, header={"kid": "one", **header}
    ).encode()


def keys_of(*private, kid="one", algorithm=None):
    return KeySet(tuple(VerificationKey(kid, algorithm, key.public_key()) for key in private))


def verify(token, keys, algorithms=ALGORITHMS, **rules):
    """Everything between the bytes and claims that can be believed."""
    signed = SignedToken.parse(token)
    signed.require(SignatureRules(frozenset(algorithms), **rules))
    return signed.verify(keys)


def with_signature(token, signature):
    return token.rpartition(b".")[0] + b"." + base64url_encode(signature)


def signature_of(token):
    return bytes(base64url_decode(token.rpartition(b".")[2]))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_every_algorithm_verifies(algorithm):
    token = token_of(signer(algorithm), algorithm)
    assert verify(token, keys_of(signer(algorithm)), {algorithm}) == CLAIMS
    assert verify(token, keys_of(signer(algorithm), algorithm=algorithm), {algorithm}) == CLAIMS
    signed = SignedToken.parse(token)
    assert (signed.algorithm, signed.kid, signed.type) == (algorithm, "one", "jwt")
    assert signed.unverified_claims == CLAIMS


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_every_algorithm_refuses_other_octets_and_other_signatures(algorithm):
    token, other = (token_of(signer(algorithm), algorithm, claims) for claims in (CLAIMS, {"sub": "eve"}))
    keys = keys_of(signer(algorithm))
    with refused(JoseReason.SIGNATURE_INVALID):
        verify(with_signature(token, signature_of(other)), keys)
    for length in (0, 1, 32, 63, 64, 65, 96, 132, 255, 256, 257):
        with refused(JoseReason.SIGNATURE_INVALID):
            verify(with_signature(token, bytes(length)), keys)
    with refused(JoseReason.SIGNATURE_INVALID):
        verify(with_signature(token, signature_of(token)[:-1]), keys)
    with refused(JoseReason.SIGNATURE_INVALID):
        verify(with_signature(token, signature_of(token) + b"\0"), keys)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_an_algorithm_is_bound_to_one_kind_of_key(algorithm):
    for name, key in ((name, private(key)) for name, key in SIGNERS.items()):
        if key is signer(algorithm):
            continue
        with refused(JoseReason.KEY_MISMATCH):
            verify(token_of(key, algorithm), keys_of(key))
        assert (
            verify(
                token_of(signer(algorithm), algorithm),
                keys_of(key, signer(algorithm)),
            )
            == CLAIMS
        ), name


def test_a_curve_does_not_pass_for_another_one_of_the_same_size():
    for key, algorithm in ((private("BP-256"), "ES256"), (private("P-256"), "BP256R1")):
        with refused(JoseReason.KEY_MISMATCH):
            verify(token_of(key, algorithm), keys_of(key))


@pytest.mark.parametrize("mine", ["RS256", "PS256"])
def test_one_padding_does_not_pass_for_the_other(mine):
    other = {"RS256": "PS256", "PS256": "RS256"}[mine]
    with refused(JoseReason.SIGNATURE_INVALID):
        verify(token_of(private("RSA"), mine, alg=other), keys_of(private("RSA")))
    with refused(JoseReason.KEY_MISMATCH):
        verify(token_of(private("RSA"), mine), keys_of(private("RSA"), algorithm=other))


@pytest.mark.parametrize(
    "algorithm",
    [
        "none",
        "None",
        "nOnE",
        "NONE",
        "",
        "HS256",
        "HS512",
        "es256",
        "bp256r1",
        "ES256K",
        None,
        1,
        ["ES256"],
        REMOVED,
    ],
    ids=str,
)
def test_an_algorithm_that_nobody_uses_is_refused(algorithm):
    with refused(JoseReason.ALGORITHM_NOT_ALLOWED):
        SignedToken.parse(token_of(alg=algorithm))
    unsigned = sign_token(CLAIMS, None, algorithm="none", header={"alg": algorithm}).encode()
    with refused(JoseReason.ALGORITHM_NOT_ALLOWED):
        SignedToken.parse(unsigned)


def test_a_token_without_a_signature_is_refused():
    for algorithm in ALGORITHMS:
        token = sign_token(CLAIMS, None, algorithm="none", header={"alg": algorithm, "kid": "one"}).encode()
        with refused(JoseReason.SIGNATURE_INVALID):
            verify(token, keys_of(signer(algorithm)))
    with refused(JoseReason.NOT_A_TOKEN):
        SignedToken.parse(token_of().rpartition(b".")[0])


@pytest.mark.parametrize("name", ["BP-256", "P-256", "RSA"])
def test_a_public_key_is_no_symmetric_secret(name):
    key = private(name)
    public = key.public_key()
    secrets = [
        public.public_bytes(encoding, serialization.PublicFormat.SubjectPublicKeyInfo)
        for encoding in (serialization.Encoding.PEM, serialization.Encoding.DER)
    ]
    if name != "RSA":
        secrets.append(json.dumps(jwk.to_jwk(public)).encode())
    for secret in secrets:
        for algorithm in ("HS256", "HS384", "HS512"):
            with refused(JoseReason.ALGORITHM_NOT_ALLOWED):
                verify(token_of(secret, algorithm), keys_of(key))
        for algorithm in ("ES256", "BP256R1", "RS256"):
            with pytest.raises(JoseError):
                verify(token_of(secret, "HS256", alg=algorithm), keys_of(key))


def test_only_the_algorithms_of_the_provider_are_taken():
    for algorithm in ALGORITHMS:
        with refused(JoseReason.ALGORITHM_NOT_ALLOWED):
            verify(
                token_of(signer(algorithm), algorithm),
                keys_of(signer(algorithm)),
                ALGORITHMS.keys() - {algorithm},
            )


def test_a_foreign_key_of_the_same_name_is_refused():
    foreign = ec.generate_private_key(ec.SECP256R1())
    with refused(JoseReason.SIGNATURE_INVALID):
        verify(token_of(foreign), keys_of(private("P-256")))


@pytest.mark.parametrize("kid", ["two", "", "ONE", "one "])
def test_a_key_that_is_unknown_is_refused(kid):
    with refused(JoseReason.KEY_UNKNOWN):
        verify(token_of(kid=kid), keys_of(private("P-256")))


def test_without_a_name_every_key_that_fits_is_tried():
    other = ec.generate_private_key(ec.SECP256R1())
    for kid in (None, REMOVED):
        token = token_of(kid=kid)
        assert verify(token, keys_of(private("RSA"), private("BP-256"), other, private("P-256"))) == CLAIMS
        with refused(JoseReason.SIGNATURE_INVALID):
            verify(token, keys_of(private("RSA"), other))
        with refused(JoseReason.KEY_MISMATCH):
            verify(token, keys_of(private("RSA"), private("BP-256")))
        with refused(JoseReason.KEY_UNKNOWN):
            verify(token, KeySet(()))


def test_a_name_rules_out_keys_of_another_name_or_none():
    for kid in ("two", None):
        with refused(JoseReason.KEY_UNKNOWN):
            verify(token_of(), keys_of(private("P-256"), kid=kid))


def test_of_two_keys_with_one_name_the_one_that_fits_counts():
    assert verify(token_of(), keys_of(private("BP-256"), private("P-256"))) == CLAIMS
    assert (
        verify(token_of(private("BP-256"), "BP256R1"), keys_of(private("BP-256"), private("P-256"))) == CLAIMS
    )


@pytest.mark.parametrize("algorithm", ["ES384", "BP256R1", "RS256", "es256", ""])
def test_a_key_for_another_algorithm_is_refused(algorithm):
    with refused(JoseReason.KEY_MISMATCH):
        verify(token_of(), keys_of(private("P-256"), algorithm=algorithm))


def test_keys_and_addresses_in_the_header_are_never_looked_at():
    evil = ec.generate_private_key(ec.SECP256R1())
    public = evil.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    header = {
        "jwk": jwk.to_jwk(evil.public_key()),
        "jku": "https://evil.example/keys",
        "x5u": "https://evil.example/chain",
        "x5c": [base64.b64encode(public).decode()],
        "x5t": "AAAA",
    }
    for given_header in ({name: header[name]} for name in header):
        with refused(JoseReason.SIGNATURE_INVALID):
            verify(token_of(evil, **given_header), keys_of(private("P-256")))
        with refused(JoseReason.KEY_UNKNOWN):
            verify(token_of(evil, kid="evil", **given_header), keys_of(private("P-256")))
    assert verify(token_of(**header), keys_of(private("P-256"))) == CLAIMS


@pytest.mark.parametrize("kind", ["JWT", "jwt", "Jwt", "application/jwt", "APPLICATION/JWT"])
def test_the_type_is_compared_without_case_and_prefix(kind):
    assert verify(token_of(typ=kind), keys_of(private("P-256"))) == CLAIMS


@pytest.mark.parametrize(
    "kind",
    ["", "at+jwt", "logout+jwt", "JOSE", "jwt ", "application/application/jwt", "text/jwt", REMOVED],
    ids=str,
)
def test_another_type_is_refused(kind):
    with refused(JoseReason.TYPE_NOT_ALLOWED):
        verify(token_of(typ=kind), keys_of(private("P-256")))


def test_a_token_without_a_type_may_be_allowed():
    for kind in ("", REMOVED):
        assert verify(token_of(typ=kind), keys_of(private("P-256")), types=frozenset({""})) == CLAIMS
    with refused(JoseReason.TYPE_NOT_ALLOWED):
        verify(token_of(), keys_of(private("P-256")), types=frozenset({""}))


@pytest.mark.parametrize(
    "member",
    [
        {"crit": ["exp"]},
        {"crit": []},
        {"b64": False},
        {"b64": True},
        {"zip": "DEF"},
        {"zip": None},
        {"cty": 1},
        {"cty": None},
        {"cty": ["JWT"]},
    ],
    ids=str,
)
def test_what_would_change_the_meaning_of_the_octets_is_refused(member):
    with refused(JoseReason.HEADER_UNSUPPORTED):
        SignedToken.parse(token_of(**member))


@pytest.mark.parametrize(
    "member",
    [
        {"cty": "JSON"},
        {"jwk": {"kty": "RSA"}, "jku": 1, "x5c": "none", "x5u": [], "x5t": None},
        {"enc": "A256GCM", "epk": 1, "future": {"a": [1]}},
    ],
    ids=str,
)
def test_members_that_are_not_looked_at_change_nothing(member):
    assert verify(token_of(**member), keys_of(private("P-256"))) == CLAIMS


@pytest.mark.parametrize(
    "member", [{"kid": 1}, {"kid": ["one"]}, {"typ": None}, {"typ": 1}, {"typ": {}}], ids=str
)
def test_a_header_with_members_of_another_type_is_refused(member):
    with refused(JoseReason.HEADER_MALFORMED):
        SignedToken.parse(token_of(**member))


def put_together(header, payload=b"{}", key=None):
    signed = base64url_encode(header) + b"." + base64url_encode(payload)
    (_, _, signature) = sign_token(payload, key or private("P-256"), algorithm="ES256").encode().split(b".")
    return signed + b"." + signature


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"[]",
        b"null",
        b'"alg"',
        b"{",
        b"\xff",
        b'{"alg":NaN}',
        b'{"alg":"none","alg":"ES256"}',
        b"[" * 9_000,
    ],
)
def test_a_header_that_is_not_a_strict_object_is_refused(header):
    with refused(JoseReason.HEADER_MALFORMED):
        SignedToken.parse(put_together(header))


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"[]",
        b"null",
        b"1",
        b"{",
        b"\xff",
        b'{"exp":NaN}',
        b'{"exp":-Infinity}',
        b'{"sub":"a","sub":"b"}',
        b'{"a":{"sub":"a","sub":"b"}}',
        b"[" * 9_000,
        b'{"exp":%s}' % (b"9" * 5_000),
    ],
    ids=lambda payload: str(payload[:20]),
)
def test_claims_that_are_not_a_strict_object_are_refused_although_they_are_signed(payload):
    with refused(JoseReason.CLAIMS_MALFORMED):
        SignedToken.parse(token_of(claims=payload))


def test_a_der_signature_is_refused():
    token = token_of()
    der = private("P-256").sign(token.rpartition(b".")[0], ec.ECDSA(hashes.SHA256()))
    with refused(JoseReason.SIGNATURE_INVALID):
        verify(with_signature(token, der), keys_of(private("P-256")))


@pytest.mark.parametrize(
    ("r", "s"), [(0, 0), (0, 1), (1, 0), (1, 1), (P256_ORDER, P256_ORDER), (2**256 - 1, 2**256 - 1)]
)
def test_signatures_out_of_range_are_refused(r, s):
    forged = r.to_bytes(32, "big") + s.to_bytes(32, "big")
    with refused(JoseReason.SIGNATURE_INVALID):
        verify(with_signature(token_of(), forged), keys_of(private("P-256")))


def test_white_space_and_other_characters_are_refused():
    token = token_of()
    for damaged in (
        token + b"\n",
        b"\n" + token,
        b" " + token,
        token + b"\0",
        token + b"=",
        token.replace(b".", b".\n"),
    ):
        with refused(JoseReason.BASE64):
            SignedToken.parse(damaged)


def test_a_truncated_token_is_refused():
    token = token_of()
    for length in range(len(token)):
        with pytest.raises(JoseError):
            verify(token[:length], keys_of(private("P-256")))


@pytest.mark.parametrize("octets", [b"", b".", b"a.b", b"a.b.c.d", b"a.b.c.d.e", b"." * 9])
def test_anything_but_three_segments_is_refused(octets):
    with refused(JoseReason.NOT_A_TOKEN):
        SignedToken.parse(octets)


def test_the_json_serialization_is_refused():
    protected, payload, signature = token_of().decode().split(".")
    with refused(JoseReason.NOT_A_TOKEN):
        SignedToken.parse(
            json.dumps({"protected": protected, "payload": payload, "signature": signature}).encode()
        )


def test_a_token_has_32_kib_at_most():
    with refused(JoseReason.TOO_LARGE):
        SignedToken.parse(b"." * (MAX_BYTES + 1))
    with refused(JoseReason.TOO_LARGE):
        SignedToken.parse(token_of(claims={"a": "x" * MAX_BYTES}))
    assert verify(token_of(claims={"a": "x" * 20_000}), keys_of(private("P-256")))


def test_the_digest_outlasts_a_rewritten_signature():
    """ECDSA allows to rewrite one without the key, so a digest of the whole token would be no identity."""
    token = token_of()
    raw = signature_of(token)
    s = P256_ORDER - int.from_bytes(raw[32:], "big")
    twin = with_signature(token, raw[:32] + s.to_bytes(32, "big"))
    assert twin != token
    assert verify(twin, keys_of(private("P-256"))) == CLAIMS
    assert SignedToken.parse(twin).digest == SignedToken.parse(token).digest
    assert SignedToken.parse(token).digest == hashlib.sha256(token.rpartition(b".")[0]).hexdigest()


def test_tokens_that_say_something_else_have_another_digest():
    tokens = [token_of(), token_of(claims={}), token_of(claims={"iss": "a"}), token_of(jku="a")]
    assert len({SignedToken.parse(token).digest for token in tokens}) == 4


def test_claims_cannot_be_changed():
    with pytest.raises(TypeError):
        SignedToken.parse(token_of()).unverified_claims["sub"] = "eve"


@functools.cache
def genuine():
    return token_of()


@settings(max_examples=300)
@given(st.integers(0, 10_000), st.integers(0, 7))
def test_a_flipped_bit_at_any_position_is_refused(position, bit):
    octets = bytearray(genuine())
    octets[position % len(octets)] ^= 1 << bit
    with pytest.raises(JoseError):
        verify(bytes(octets), keys_of(private("P-256")))


@given(st.integers(0, 10_000), st.binary(min_size=1, max_size=3))
def test_inserted_octets_are_refused(position, inserted):
    position %= len(genuine()) + 1
    with pytest.raises(JoseError):
        verify(genuine()[:position] + inserted + genuine()[position:], keys_of(private("P-256")))


@given(st.binary(max_size=200) | st.text("abAB.-_=", max_size=60).map(str.encode))
def test_any_octets_are_refused(octets):
    with pytest.raises(JoseError):
        verify(octets, keys_of(private("P-256")))
