"""R4.1: public keys as JWKs: which are read, and which nobody may verify or agree on a key with."""

import base64
import contextlib
import itertools
import json

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PrivateKey
from hypothesis import example, given
from hypothesis import strategies as st

from synapse_tim.jose import jwk
from synapse_tim.jose.jwk import JwkError, KeySet, parse_key_set, public_key, verification_key
from tests.support.keys import CURVES, public


def b64(octets):
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def number(value, octets=None):
    return b64(value.to_bytes(octets or (value.bit_length() + 7) // 8, "big"))


def ec_jwk(name="P-256", **members):
    numbers, octets = public(name).public_numbers(), (CURVES[name].key_size + 7) // 8
    x, y = number(numbers.x, octets), number(numbers.y, octets)
    return {"kty": "EC", "crv": name, "x": x, "y": y, **members}


def rsa_jwk(key=None, **members):
    numbers = (key or public("RSA")).public_numbers()
    return {"kty": "RSA", "n": number(numbers.n), "e": number(numbers.e), **members}


def ed_jwk(**members):
    raw = public("Ed25519").public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return {"kty": "OKP", "crv": "Ed25519", "x": b64(raw), **members}


def key_set(*keys, **members):
    return json.dumps({"keys": list(keys), **members}).encode()


def refused(text=None):
    return pytest.raises(JwkError, match=text)


@pytest.mark.parametrize("name", CURVES)
def test_ec_keys_are_read_and_written(name):
    assert public_key(ec_jwk(name)) == public(name)
    assert jwk.to_jwk(public(name)) == ec_jwk(name)


def test_rsa_and_ed25519_keys_are_read():
    assert public_key(rsa_jwk()) == public("RSA")
    assert public_key(ed_jwk()) == public("Ed25519")


def test_the_keys_of_rfc_7027_and_rfc_7517_are_read():
    x = 0x44106E913F92BC02A1705D9953A8414DB95E1AAA49E81D9E85F929A8E3100BE5
    y = 0x8AB4846F11CACCB73CE49CBDD120F5A900A69FD32C272223F789EF10EB089BDC
    private = 0x81DB1EE100150FF2EA338D708271BE38300CB54241D79950F77B063039804F1D
    key = public_key({"kty": "EC", "crv": "BP-256", "x": number(x, 32), "y": number(y, 32)})
    assert key == ec.derive_private_key(private, ec.BrainpoolP256R1()).public_key()
    assert isinstance(key.curve, ec.BrainpoolP256R1)
    published = {
        "kty": "EC",
        "crv": "P-256",
        "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
        "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
    }
    assert jwk.to_jwk(public_key(published)) == published


@pytest.mark.parametrize("curve", [ec.BrainpoolP256R1(), ec.SECP521R1()], ids=lambda curve: curve.name)
def test_coordinates_keep_their_leading_zeros(curve):
    octets = (curve.key_size + 7) // 8
    for secret in range(1, 2000):
        key = ec.derive_private_key(secret, curve).public_key()
        written = jwk.to_jwk(key)
        assert {len(written["x"]), len(written["y"])} == {(octets * 4 + 2) // 3}
        if min(key.public_numbers().x, key.public_numbers().y).bit_length() <= 8 * (octets - 1):
            assert public_key(written) == key
            return
    raise AssertionError("no such key among them")


@pytest.mark.parametrize("member", ["d", "p", "q", "dp", "dq", "qi", "oth", "k"])
@pytest.mark.parametrize("made", [ec_jwk, rsa_jwk, ed_jwk, lambda **members: ec_jwk("BP-256", **members)])
def test_a_key_with_a_private_part_is_refused(made, member):
    for value in ("AQAB", "", None):
        with refused("a private or symmetric key"):
            public_key(made(**{member: value}))


@pytest.mark.parametrize("key", [{"kty": "oct", "k": "AAAA"}, {"kty": "oct"}], ids=str)
def test_a_symmetric_key_is_refused(key):
    with refused():
        public_key(key)


@pytest.mark.parametrize(
    "members",
    [
        {"use": "enc"},
        {"use": ""},
        {"use": None},
        {"use": ["sig"]},
        {"key_ops": []},
        {"key_ops": ["sign"]},
        {"key_ops": ["encrypt", "deriveBits"]},
        {"key_ops": "verify"},
        {"key_ops": {"verify": True}},
        {"use": "enc", "key_ops": ["verify"]},
    ],
    ids=str,
)
def test_a_key_for_another_use_verifies_nothing(members):
    for made in (ec_jwk, rsa_jwk, ed_jwk):
        with refused("for another use"):
            verification_key(made(**members))
    assert public_key(ec_jwk(**members)) == public("P-256")


@pytest.mark.parametrize(
    "members", [{"use": "sig"}, {"key_ops": ["verify"]}, {"use": "sig", "key_ops": ["verify", "sign"]}]
)
def test_a_key_for_signatures_verifies(members):
    assert verification_key(ec_jwk(**members)).key == public("P-256")


def test_a_key_carries_its_name_its_algorithm_and_its_certificates():
    key = verification_key(ec_jwk("BP-256", kid="one", alg="BP256R1", x5c=["AAAA"]))
    assert (key.kid, key.algorithm, key.x5c) == ("one", "BP256R1", ("AAAA",))
    bare = verification_key(ec_jwk())
    assert (bare.kid, bare.algorithm, bare.x5c) == (None, None, ())


@pytest.mark.parametrize(
    "members", [{"kid": 1}, {"kid": []}, {"alg": 1}, {"alg": {}}, {"x5c": "AAAA"}, {"x5c": [1]}], ids=str
)
def test_members_of_another_type_make_a_key_unusable(members):
    with refused():
        verification_key(ec_jwk(**members))


@pytest.mark.parametrize(("bits", "fine"), [(1024, False), (2047, False), (8192, True), (8193, False)])
def test_rsa_keys_have_2048_bits_at_least_and_8192_at_most(bits, fine):
    key = rsa.RSAPublicNumbers(65537, (1 << (bits - 1)) + 1).public_key()
    if fine:
        assert public_key(rsa_jwk(key)) == key
        return
    with refused(f"^an RSA key of {bits} bits$"):
        public_key(rsa_jwk(key))


@pytest.mark.parametrize("exponent", [0, 1, 2, 4])
def test_an_rsa_key_needs_a_proper_exponent(exponent):
    with refused():
        public_key(rsa_jwk(e=number(exponent, 3)))


@pytest.mark.parametrize("name", CURVES)
def test_a_point_on_no_curve_is_refused(name):
    octets = (CURVES[name].key_size + 7) // 8
    good = public(name).public_numbers()
    points = [(good.x, good.y ^ 1), (good.y, good.x), (0, 0), (1, 1), (0, good.y)]
    for x, y in points:
        with refused():
            public_key(ec_jwk(name, x=number(x, octets), y=number(y, octets)))


@pytest.mark.parametrize(("claimed", "true"), [("BP-256", "P-256"), ("P-256", "BP-256")])
def test_a_point_of_another_curve_is_refused(claimed, true):
    with refused():
        public_key({**ec_jwk(true), "crv": claimed})


@pytest.mark.parametrize("name", CURVES)
@pytest.mark.parametrize("member", ["x", "y"])
def test_a_coordinate_of_another_size_is_refused(name, member):
    octets = base64.urlsafe_b64decode(ec_jwk(name)[member] + "===")
    for changed in (b"", octets[:-1], b"\0" + octets, octets + b"\0", octets * 2):
        with refused():
            public_key(ec_jwk(name, **{member: b64(changed)}))


def test_a_coordinate_above_the_field_is_refused():
    for name in ("BP-256", "P-256"):
        with refused():
            public_key(ec_jwk(name, x=b64(b"\xff" * 32)))


@pytest.mark.parametrize("damage", ["=", "\n", " ", "+", "é", "!"])
def test_coordinates_on_gematiks_curve_are_strict_base64url(damage):
    with refused():
        public_key(ec_jwk("BP-256", x=ec_jwk("BP-256")["x"] + damage))


@pytest.mark.parametrize(
    "key",
    [
        None,
        [],
        "key",
        1,
        {},
        {"kty": "EC"},
        {"kty": "ec", "crv": "P-256"},
        {"kty": ["EC"], "crv": ["P-256"]},
        {"kty": "EC", "crv": "P-256"},
        {"kty": "EC", "crv": "BP-256"},
        {"kty": "EC", "crv": "BP-256", "x": 1, "y": None},
        {"kty": "EC", "crv": "P-256", "x": 1, "y": None},
        {"kty": "RSA"},
        {"kty": "RSA", "n": 5, "e": 3},
        {"kty": "RSA", "n": "", "e": ""},
        {"kty": "OKP", "crv": "Ed25519"},
        {"kty": "OKP", "crv": "Ed25519", "x": "AAAA"},
        {"kty": "OKP", "crv": "X25519", "x": b64(b"x" * 32)},
        {"kty": "OKP", "crv": "Ed448", "x": b64(Ed448PrivateKey.generate().public_key().public_bytes_raw())},
        {**ec_jwk(), "crv": "secp256k1"},
        {**ec_jwk("BP-256"), "crv": "brainpoolP256r1"},
    ],
    ids=itertools.count(),
)
def test_what_is_no_key_or_not_one_of_those_used_here_is_refused(key):
    with refused():
        public_key(key)


def test_curves_that_are_not_used_are_not_written():
    for curve in (ec.SECP256K1(), ec.BrainpoolP384R1(), ec.SECP224R1()):
        key = ec.generate_private_key(curve).public_key()
        with refused("the curve is not supported"):
            jwk.to_jwk(key)
        with refused("the curve is not supported"):
            jwk.thumbprint(key)


def test_a_set_is_read_and_its_unusable_keys_are_left_out():
    keys = parse_key_set(
        key_set(
            {"kty": "oct", "k": "AAAA", "kid": "symmetric"},
            ec_jwk("P-256", kid="a"),
            ec_jwk("P-256", kid="for us", use="enc"),
            ec_jwk("BP-256", kid="b"),
            "nonsense",
            {"kty": "future"},
            jwks_of="somebody",
        )
    )
    assert [(key.kid, key.key) for key in keys.keys] == [("a", public("P-256")), ("b", public("BP-256"))]


def test_a_single_key_is_a_set():
    assert [key.kid for key in parse_key_set(json.dumps(ec_jwk("BP-256", kid="one")).encode()).keys] == [
        "one"
    ]


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        (b"", None),
        (b"[]", "not an object"),
        (b"null", "not an object"),
        (b"{", None),
        (b"\xff", "not UTF-8"),
        (b"{}", "no usable key"),
        (b'{"keys": []}', "no usable key"),
        (b'{"keys": {}}', "'keys' is not a list"),
        (b'{"keys": null}', "'keys' is not a list"),
        (key_set({"kty": "oct", "k": "AAAA"}), "no usable key: a private or symmetric key"),
        (key_set(ec_jwk(use="enc")), "no usable key: for another use"),
        (key_set(*[ec_jwk()] * 65), "at most 64"),
    ],
    ids=lambda value: str(value and value[:30]),
)
def test_a_set_without_a_usable_key_is_refused(document, problem):
    with refused(problem):
        parse_key_set(document)


def test_a_set_holds_64_keys():
    assert len(parse_key_set(key_set(*[ec_jwk()] * 64)).keys) == 64


@pytest.mark.parametrize(
    "document",
    [
        b'{"keys": [%s], "keys": []}',
        b'{"keys": [{"kid": "a", %s]}',
        b'{"keys": [%s, {"kty": "EC", "kty": "RSA"}]}',
        b'{"keys": [%s], "x": {"a": 1, "a": 1}}',
    ],
)
def test_a_member_that_occurs_twice_spoils_the_whole_set(document):
    key = json.dumps(ec_jwk(kid="b")).encode()
    with refused("a member occurs twice"):
        parse_key_set(document % (key[1:] if b'"a", %s' in document else key))


def test_keys_are_found_by_their_names():
    first, second, nameless = (verification_key(ec_jwk(**m)) for m in ({"kid": "a"}, {"kid": "a"}, {}))
    keys = KeySet((first, second, nameless))
    assert keys.named("a") == (first, second)
    assert keys.named("b") == keys.named("") == ()
    assert keys.named(None) == (first, second, nameless)


@pytest.mark.parametrize("name", CURVES)
def test_the_thumbprint_is_that_of_another_implementation(name):
    theirs = pytest.importorskip("jwcrypto.jwk").JWK.from_pyca(public(name))
    assert jwk.thumbprint(public(name)) == theirs.thumbprint()


def test_certificates_are_standard_base64():
    assert jwk.x5c_der("+/8=") == b"\xfb\xff"
    for text in ("-_8=", "+/8", "+/8=\n", " +/8=", "é"):
        with refused("no base64"):
            jwk.x5c_der(text)


def test_errors_hold_no_value():
    for key in (ec_jwk(d="secret"), ec_jwk(x="secret"), {"kty": "secret"}, ec_jwk(kid=["secret"])):
        with pytest.raises(JwkError) as caught:
            verification_key(key)
        assert "secret" not in str(caught.value)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=50) | st.just("AQAB"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "kty": st.sampled_from(["EC", "RSA", "OKP", "oct"]) | JSON,
            "crv": st.sampled_from([*CURVES, "Ed25519"]) | JSON,
            **{member: JSON | st.binary(max_size=70).map(b64) for member in ("x", "y", "n", "e")},
            **dict.fromkeys(("kid", "alg", "use", "key_ops", "x5c"), JSON),
        },
    )
    | JSON
)
@example({"kty": "OKP", "crv": "Ed25519", "x": "\ud800"})
@example({"kty": "EC", "crv": "BP-256", "x": "\ud800", "y": ""})
def test_anything_is_a_key_or_is_refused(key):
    with contextlib.suppress(JwkError):
        assert isinstance(verification_key(key).key, jwk.PublicKey)
