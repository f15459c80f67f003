"""R1.3: the compact JWS, its algorithms, its header and its signature."""

import base64
import hashlib
import json

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from synapse_tim.federation.refusals import Refusal
from synapse_tim.jose import large_jws as jws_module
from synapse_tim.jose.large_jws import CompactJws, JwsLimits
from synapse_tim.testing.simulator.pki.world import base64url, sign_list
from tests.jose.rules.jws_helpers import header_of, put_together, read, signed
from tests.support.helpers import document, entry, refused

PAYLOAD = document(entry("hospital.example"), entry("insurer.example", True))


@pytest.fixture(scope="module")
def genuine(certs):
    return sign_list(PAYLOAD, certs.list_signer)


@pytest.fixture(scope="module")
def p256(certs):
    return certs.pki.list_signer(certs.sub_ca, curve=ec.SECP256R1())


def test_a_genuine_serialization_is_read(certs, genuine):
    jws = CompactJws.parse(genuine)
    assert jws.algorithm == "BP256R1"
    assert jws.signer == certs.list_signer.certificate
    assert jws.digest == hashlib.sha256(genuine).hexdigest()
    assert read(genuine, frozenset({"BP256R1"})) == PAYLOAD
    assert read(bytearray(genuine)) == PAYLOAD


def test_the_digest_is_that_of_all_octets_before_and_after_verifying(genuine):
    jws = CompactJws.parse(genuine)
    jws.verify_signature()
    assert jws.digest == hashlib.sha256(genuine).hexdigest()


@pytest.mark.parametrize("length", range(12))
def test_payloads_of_any_length_are_read(certs, length):
    octets = b"x" * (length + 1)
    assert read(sign_list(octets, certs.list_signer)) == octets


def test_a_payload_of_many_slices_is_read(certs, monkeypatch):
    monkeypatch.setattr(jws_module, "_SLICE", 8)
    assert read(sign_list(PAYLOAD, certs.list_signer)) == PAYLOAD


def test_white_space_around_is_ignored(genuine):
    assert read(b" \r\n\t" + genuine + b"\r\n") == PAYLOAD
    assert CompactJws.parse(b"\n" + genuine + b"\n").digest == CompactJws.parse(genuine).digest


@pytest.mark.parametrize("character", [b" ", b"\n", b"\r", b"\t", b"\0", b"\v", b"\xa0", b"\xef\xbb\xbf"])
def test_white_space_inside_and_other_characters_around_are_refused(genuine, character):
    header, payload, signature = genuine.split(b".")
    for damaged in (
        header[:9] + character + header[9:] + b"." + payload + b"." + signature,
        header + b"." + payload[:9] + character + payload[9:] + b"." + signature,
        header + b"." + payload + b"." + signature[:9] + character + signature[9:],
    ):
        with refused(Refusal.BASE64):
            read_all(damaged)
    if character not in b" \r\n\t":
        for damaged in (character + genuine, genuine + character):
            with refused(Refusal.BASE64):
                read_all(damaged)


def read_all(octets):
    """Every segment is decoded, even if the signature is wrong."""
    jws = CompactJws.parse(octets)
    jws.payload()
    jws.verify_signature()


@pytest.mark.parametrize("character", [b"+", b"/", b"=", b"!", b"\x80"])
def test_characters_outside_base64url_are_refused(genuine, character):
    header, payload, signature = genuine.split(b".")
    for damaged in (
        character + header[1:] + b"." + payload + b"." + signature,
        header + b"." + character + payload[1:] + b"." + signature,
        header + b"." + payload + b"." + character + signature[1:],
    ):
        with refused(Refusal.BASE64):
            read_all(damaged)


@pytest.mark.parametrize("padding", [b"=", b"==", b"==="])
def test_padding_is_refused(certs, padding):
    for payload in (b"a", b"ab", b"abc"):
        genuine = sign_list(payload, certs.list_signer)
        parts = genuine.split(b".")
        for position in range(3):
            damaged = list(parts)
            damaged[position] += padding
            with refused(Refusal.BASE64):
                read_all(b".".join(damaged))


def test_standard_base64_is_refused_even_where_it_says_the_same(certs):
    """The same bytes, in the other alphabet."""
    octets = b"\xfb\xef\xff" * 3
    standard = base64.b64encode(octets)
    assert b"+" in standard or b"/" in standard
    forged = signed(sign_list(octets, certs.list_signer).split(b".")[0], standard, certs.list_signer)
    with refused(Refusal.BASE64):
        read(forged)


@pytest.mark.parametrize(("octets", "last"), [(b"a", b"YR"), (b"ab", b"YWJ")])
def test_unused_bits_have_to_be_zero(certs, octets, last):
    """Otherwise two texts would stand for one value."""
    header = sign_list(octets, certs.list_signer).split(b".")[0]
    assert read(signed(header, base64url(octets), certs.list_signer)) == octets
    with refused(Refusal.BASE64):
        read(signed(header, last, certs.list_signer))


def test_a_single_last_character_is_refused(certs):
    header = sign_list(b"abc", certs.list_signer).split(b".")[0]
    with refused(Refusal.BASE64):
        read(signed(header, b"YWJjY", certs.list_signer))


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b" \n",
        b".",
        b"..",
        b"a.b",
        b"a..c",
        b".b.c",
        b"a.b.",
        b"a.b.c.d",
        b"a.b.c.",
        b".a.b.c",
        b"." * 9,
        b"a" * 99,
    ],
)
def test_anything_but_three_segments_is_refused(octets):
    with refused(Refusal.NOT_A_COMPACT_JWS):
        CompactJws.parse(octets)


def test_the_json_serialization_is_refused(genuine):
    header, payload, signature = genuine.decode().split(".")
    form = json.dumps({"protected": header, "payload": payload, "signature": signature}).encode()
    with refused(Refusal.NOT_A_COMPACT_JWS):
        CompactJws.parse(form)


@pytest.mark.parametrize(
    "algorithm",
    ["none", "None", "NONE", "", "HS256", "RS256", "ES384", "bp256r1", "es256", None, 1, ["ES256"]],
)
def test_an_algorithm_that_is_not_gematiks_is_refused(certs, algorithm):
    with refused(Refusal.ALGORITHM_UNKNOWN):
        CompactJws.parse(sign_list(PAYLOAD, certs.list_signer, header={"alg": algorithm}))


def test_alg_none_without_a_signature_is_refused(certs):
    header = base64url(json.dumps({"alg": "none", "x5c": [certs.list_signer.b64]}).encode())
    with refused(Refusal.NOT_A_COMPACT_JWS):
        CompactJws.parse(header + b"." + base64url(PAYLOAD) + b".")


def test_an_algorithm_is_used_only_if_it_is_allowed(genuine, certs, p256):
    es256 = sign_list(PAYLOAD, p256, algorithm="ES256")
    assert read(es256, frozenset({"ES256"})) == PAYLOAD
    for octets, allowed in ((es256, {"BP256R1"}), (genuine, {"ES256"}), (genuine, set())):
        with refused(Refusal.ALGORITHM_NOT_ALLOWED):
            CompactJws.parse(octets).require_algorithm(frozenset(allowed))


@pytest.mark.parametrize(
    ("algorithm", "curve"),
    [
        ("ES256", ec.BrainpoolP256R1()),
        ("BP256R1", ec.SECP256R1()),
        ("BP256R1", ec.BrainpoolP384R1()),
        ("ES256", ec.SECP384R1()),
        ("ES256", ec.SECP256K1()),
    ],
    ids=lambda value: getattr(value, "name", value),
)
def test_an_algorithm_is_bound_to_one_curve(certs, algorithm, curve):
    signer = certs.pki.list_signer(certs.sub_ca, curve=curve)
    jws = CompactJws.parse(sign_list(PAYLOAD, signer, algorithm=algorithm))
    with refused(Refusal.ALGORITHM_KEY_MISMATCH):
        jws.require_algorithm(frozenset({"BP256R1", "ES256"}))
    with refused(Refusal.ALGORITHM_KEY_MISMATCH):
        jws.verify_signature()


def test_an_rsa_key_is_refused(certs):
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    signer = certs.pki.list_signer(certs.sub_ca, key=key)
    octets = sign_list(PAYLOAD, certs.list_signer, header={"x5c": [signer.b64]})
    with refused(Refusal.ALGORITHM_KEY_MISMATCH):
        CompactJws.parse(octets).require_algorithm(frozenset({"BP256R1"}))


def test_a_der_signature_is_refused(genuine, certs):
    octets, _ = genuine.rsplit(b".", 1)
    der = certs.list_signer.key.sign(octets, ec.ECDSA(hashes.SHA256()))
    with refused(Refusal.SIGNATURE_MALFORMED):
        read(octets + b"." + base64url(der))


@pytest.mark.parametrize("length", [1, 32, 63, 65, 96, 128])
def test_a_signature_has_64_octets(genuine, length):
    octets, signature = genuine.rsplit(b".", 1)
    raw = (base64.urlsafe_b64decode(signature + b"==") * 2)[:length]
    with refused(Refusal.SIGNATURE_MALFORMED):
        read(octets + b"." + base64url(raw))


ORDER = 0xA9FB57DBA1EEA9BC3E660A909D838D718C397AA3B561A6F7901E0E82974856A7


@pytest.mark.parametrize(
    ("r", "s"), [(0, 0), (0, 1), (1, 0), (1, 1), (ORDER, ORDER), (2**256 - 1, 2**256 - 1)]
)
def test_signatures_out_of_range_are_refused(genuine, r, s):
    octets, _ = genuine.rsplit(b".", 1)
    with refused(Refusal.SIGNATURE_INVALID):
        read(octets + b"." + base64url(r.to_bytes(32, "big") + s.to_bytes(32, "big")))


def test_a_rewritten_signature_verifies_and_has_another_digest(genuine):
    """ECDSA allows it: so the digest is an identity of bytes, not of content."""
    octets, signature = genuine.rsplit(b".", 1)
    raw = base64.urlsafe_b64decode(signature + b"==")
    s = ORDER - int.from_bytes(raw[32:], "big")
    twin = octets + b"." + base64url(raw[:32] + s.to_bytes(32, "big"))
    assert read(twin) == PAYLOAD
    assert CompactJws.parse(twin).digest != CompactJws.parse(genuine).digest


def test_a_signature_by_another_key_is_refused(certs, genuine):
    other = certs.pki.list_signer(certs.sub_ca)
    with refused(Refusal.SIGNATURE_INVALID):
        read(sign_list(PAYLOAD, other, x5c=[certs.list_signer]))


def test_a_signature_of_another_payload_or_header_is_refused(certs, genuine):
    header, payload, signature = genuine.split(b".")
    other = sign_list(document(entry("evil.example")), certs.list_signer).split(b".")
    for forged in ((header, other[1], signature), (header, payload, other[2])):
        with refused(Refusal.SIGNATURE_INVALID):
            read(b".".join(forged))
    renamed = base64url(json.dumps({**header_of(genuine), "typ": "JOSE"}).encode())
    with refused(Refusal.SIGNATURE_INVALID):
        read(renamed + b"." + payload + b"." + signature)


def test_a_signature_over_another_hash_is_refused(certs, genuine):
    octets, _ = genuine.rsplit(b".", 1)
    r, s = decode_dss_signature(certs.list_signer.key.sign(octets, ec.ECDSA(hashes.SHA384())))
    assert encode_dss_signature(r, s)
    with refused(Refusal.SIGNATURE_INVALID):
        read(octets + b"." + base64url(r.to_bytes(32, "big") + s.to_bytes(32, "big")))


@pytest.mark.parametrize("member", [{"crit": ["exp"]}, {"crit": []}, {"b64": False}, {"b64": True}], ids=str)
def test_crit_and_b64_are_refused(certs, member):
    with refused(Refusal.HEADER_UNSUPPORTED):
        CompactJws.parse(sign_list(PAYLOAD, certs.list_signer, header=member))


def test_a_repeated_member_of_the_header_is_refused(certs):
    header = f'{{"alg":"none","alg":"BP256R1","x5c":["{certs.list_signer.b64}"]}}'.encode()
    with refused(Refusal.HEADER_MALFORMED):
        CompactJws.parse(put_together(header, PAYLOAD, certs.list_signer))


@pytest.mark.parametrize(
    "header", [b"[]", b"null", b"1", b'"alg"', b"{", b"\xff", b'{"alg":NaN}', b"[" * 20_000]
)
def test_a_header_that_is_not_an_object_is_refused(certs, header):
    with refused(Refusal.HEADER_MALFORMED):
        CompactJws.parse(put_together(header, PAYLOAD, certs.list_signer))


def test_keys_and_addresses_in_the_header_are_not_looked_at(certs, genuine):
    """RFC 7515 §4.1: jwk, jku, x5u and kid could all bring another key."""
    other = certs.pki.list_signer(certs.sub_ca)
    numbers = other.key.public_key().public_numbers()
    x, y = (base64url(n.to_bytes(32, "big")).decode() for n in (numbers.x, numbers.y))
    header = {
        "jwk": {"kty": "EC", "crv": "BP-256", "x": x, "y": y},
        "jku": "https://evil.example/keys",
        "x5u": "https://evil.example/chain",
        "kid": "1",
    }
    assert read(sign_list(PAYLOAD, certs.list_signer, header=header)) == PAYLOAD
    with refused(Refusal.SIGNATURE_INVALID):
        read(sign_list(PAYLOAD, other, x5c=[certs.list_signer], header=header))


@pytest.mark.parametrize(
    "x5c", [None, [], {}, "", 1, [None], [1], [[]], ["!"], ["AA==", 1], ["*" * 20_000]], ids=repr
)
def test_a_malformed_x5c_is_refused(certs, x5c):
    reason = Refusal.CERTIFICATE_MALFORMED if x5c == ["AA==", 1] else Refusal.X5C_MALFORMED
    with refused(reason):
        CompactJws.parse(sign_list(PAYLOAD, certs.list_signer, header={"x5c": x5c}))


def test_x5c_is_standard_base64_without_line_breaks(certs):
    text = certs.list_signer.b64
    for damaged in (text[:64] + "\n" + text[64:], text + "\n", " " + text, text.rstrip("=") + "é"):
        with refused(Refusal.X5C_MALFORMED):
            CompactJws.parse(sign_list(PAYLOAD, certs.list_signer, header={"x5c": [damaged]}))


@pytest.mark.parametrize("octets", [b"", b"\0", b"0" * 99, b"\x30\x80"])
def test_what_is_no_certificate_is_refused(certs, octets):
    header = {"x5c": [base64.b64encode(octets).decode()]}
    with refused(Refusal.CERTIFICATE_MALFORMED):
        CompactJws.parse(sign_list(PAYLOAD, certs.list_signer, header=header))


def test_x5c_may_bring_the_path_and_the_signer_comes_first(certs):
    chain = [certs.list_signer, certs.sub_ca, certs.sub_ca_root]
    jws = CompactJws.parse(sign_list(PAYLOAD, certs.list_signer, x5c=chain))
    assert [c.subject for c in jws.certificates] == [i.certificate.subject for i in chain]
    assert jws.signer == certs.list_signer.certificate
    with refused(Refusal.SIGNATURE_INVALID):
        read(sign_list(PAYLOAD, certs.list_signer, x5c=chain[::-1]))


def test_x5c_holds_four_certificates_at_most(certs):
    four = [certs.list_signer] * 4
    assert read(sign_list(PAYLOAD, certs.list_signer, x5c=four)) == PAYLOAD
    with refused(Refusal.X5C_MALFORMED):
        CompactJws.parse(sign_list(PAYLOAD, certs.list_signer, x5c=[*four, certs.list_signer]))


def test_limits_are_kept(genuine):
    header = genuine.index(b".")
    CompactJws.parse(genuine, JwsLimits(total=len(genuine), header=header))
    with refused(Refusal.TOO_LARGE):
        CompactJws.parse(genuine, JwsLimits(total=len(genuine) - 1))
    with refused(Refusal.HEADER_TOO_LARGE):
        CompactJws.parse(genuine, JwsLimits(header=header - 1))
    with refused(Refusal.X5C_MALFORMED):
        CompactJws.parse(genuine, JwsLimits(certificate=100))


def test_the_header_has_32_kib_at_most(certs):
    with refused(Refusal.HEADER_TOO_LARGE):
        CompactJws.parse(sign_list(PAYLOAD, certs.list_signer, header={"typ": "x" * 32 * 1024}))
