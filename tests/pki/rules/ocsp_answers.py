"""OCSP answers in every form that RFC 6960 allows, which the library's builder does not make."""

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

_SEQUENCE, _OCTETS, _BITS, _ENUMERATED, _FIRST = 0x30, 0x04, 0x03, 0x0A, 0xA0
_BASIC = bytes.fromhex("06092b0601050507300101")  # id-pkix-ocsp-basic
_ECDSA_SHA256 = bytes.fromhex("300a06082a8648ce3d040302")


def _value(tag, content):
    length = len(content)
    if length < 128:
        return bytes([tag, length]) + content
    size = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes([tag, 128 | len(size)]) + size + content


def _elements(content):
    """The values inside a constructed one: tag, content."""
    found = []
    while content:
        tag, length, start = content[0], content[1], 2
        if length & 128:
            start += length & 127
            length = int.from_bytes(content[2:start], "big")
        found.append((tag, content[start : start + length]))
        content = content[start + length :]
    return found


def statement(subject, issuer, *, at, until, status=ocsp.OCSPCertStatus.GOOD, algorithm=None):
    """One SingleResponse in DER."""
    builder = (
        ocsp.OCSPResponseBuilder()
        .add_response(
            cert=subject.certificate,
            issuer=issuer.certificate,
            algorithm=algorithm or hashes.SHA1(),
            cert_status=status,
            this_update=at,
            next_update=until,
            revocation_time=at if status is ocsp.OCSPCertStatus.REVOKED else None,
            revocation_reason=None,
        )
        .responder_id(ocsp.OCSPResponderEncoding.HASH, issuer.certificate)
    )
    made = builder.sign(issuer.key, hashes.SHA256())
    [(_, data)] = _elements(made.tbs_response_bytes)
    [statements] = [content for tag, content in _elements(data) if tag == _SEQUENCE]
    return statements


def answer_of(statements, signer, certificates, *, like, named=None):
    """An answer with these statements in this order, signed anew.

    Args:
        statements: in DER.
        signer: whose key signs.
        certificates: what the answer carries, in this order.
        like: an answer whose responder id, time and extensions are taken.
        named: replaces the bytes of a hash algorithm's identifier.
    """
    [(_, data)] = _elements(ocsp.load_der_ocsp_response(like).tbs_response_bytes)
    content = b"".join(
        _value(tag, b"".join(statements) if tag == _SEQUENCE else value) for tag, value in _elements(data)
    )
    signed = _value(_SEQUENCE, content)
    if named:
        signed = signed.replace(*named)
    signature = signer.key.sign(signed, ec.ECDSA(hashes.SHA256()))
    carried = b"".join(each.public_bytes(Encoding.DER) for each in certificates)
    basic = signed + _ECDSA_SHA256 + _value(_BITS, b"\0" + signature)
    if carried:
        basic += _value(_FIRST, _value(_SEQUENCE, carried))
    body = _BASIC + _value(_OCTETS, _value(_SEQUENCE, basic))
    return _value(_SEQUENCE, _value(_ENUMERATED, b"\0") + _value(_FIRST, _value(_SEQUENCE, body)))
