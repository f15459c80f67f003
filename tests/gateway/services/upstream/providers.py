"""Upstreams that speak to the simulated identity providers over TLS, and a browser between the two."""

import asyncio
import datetime as dt
import json
import ssl
from urllib.parse import parse_qsl, urlsplit

import attrs
import httpx
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509 import Name, NameAttribute, load_pem_x509_certificate
from cryptography.x509.oid import NameOID

from synapse_tim.gateway.upstream import AuthenticationRequest
from synapse_tim.jose import jwk
from synapse_tim.jose.jwe import DecryptionKey
from synapse_tim.openid_federation.rules.own_entity import EntityKey, OwnEntity
from synapse_tim.testing.http import Answer, LoopbackServer
from synapse_tim.testing.simulator.faults import Faults
from synapse_tim.testing.simulator.pki.authority import TestPki

#: Of a browser that trusts every certificate. Made once: httpx loads all CAs for each request otherwise.
NO_CHECK = ssl.create_default_context(cadata=None)
NO_CHECK.check_hostname = False
NO_CHECK.verify_mode = ssl.CERT_NONE
REDIRECT = "https://gateway.example/callback"
REQUEST = AuthenticationRequest(redirect_uri=REDIRECT, state="the-state", nonce="the-nonce")


class Inline:
    """Threads that are none."""

    async def run(self, function, *args):
        return function(*args)


def run(coroutine):
    return asyncio.run(coroutine)


def browse(url, **choice):
    """Follow an address as a browser does in which somebody then chooses; the parameters of the way back."""
    asked = {**dict(parse_qsl(urlsplit(url).query)), **choice}
    location = httpx.get(url, params=asked, verify=NO_CHECK).headers["Location"]
    assert location.startswith(REDIRECT + "?")
    answer = dict(parse_qsl(urlsplit(location).query))
    assert answer.pop("state") == "the-state"
    return answer


def certificate(directory, name, **wishes):
    """A self-signed certificate with its key, in a PEM file; returns the path and the certificate."""
    pki = TestPki(dt.datetime.now(dt.UTC))
    subject = Name([NameAttribute(NameOID.COMMON_NAME, name)])
    made = pki.issue(subject, None, [], {"curve": ec.SECP256R1(), **wishes})
    path = directory / f"{name}.pem"
    path.write_bytes(made.pem + made.key_pem)
    return path, load_pem_x509_certificate(made.pem)


def pem(certificate):
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


@attrs.define
class Entity:
    """A relying party that publishes what it is, over TLS, and is registered in the federation."""

    own: OwnEntity
    certificate_path: object
    decryption_key: DecryptionKey
    server: LoopbackServer
    document: object = None  #: instead of the right one

    @classmethod
    def of(cls, ti, directory):
        path, ours = certificate(directory, "client")
        key = EntityKey(ec.generate_private_key(ec.SECP256R1()))
        decryption_key = DecryptionKey.of(ec.generate_private_key(ec.SECP256R1()))
        found = {}

        def answer(request):
            entity = found["entity"]
            document = entity.document or entity.own.statement(ti.now())
            right = request.path == "/gateway/.well-known/openid-federation"
            return Answer(200, document, "application/entity-statement+jwt") if right else Answer(404)

        server = LoopbackServer(0, answer, lambda *_: None, Faults(), ti._tls.context)
        entity_id = f"https://localhost:{server.port}/gateway"
        own = OwnEntity(
            entity_id=entity_id,
            organization_name="Gateway TEST-ONLY",
            redirect_uris=(REDIRECT,),
            scope="openid urn:telematik:versicherter",
            authority_hints=(ti.federation_master.issuer,),
            signature_keys=[key],
            encryption_key=decryption_key,
            certificates=[ours],
        )
        entity = found["entity"] = cls(own, path, decryption_key, server)
        ti.federation_master.register(entity_id, {"keys": [key.public_jwk]})
        ti.accept_client_certificate(pem(ours))
        return entity


def anchor_keys(ti):
    """The keys of the trust anchor, as an operator configures them."""
    return jwk.parse_key_set(json.dumps(ti.federation_master.jwks).encode())
