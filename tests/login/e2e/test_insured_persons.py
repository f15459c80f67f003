"""Login of insured persons (AF_10234): encrypted tokens, KVNR, the insurer's IK in the federation list."""

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from synapse_tim.jose import jwk
from synapse_tim.jose.compact import base64url_encode as base64url
from synapse_tim.jose.jwe import DecryptionKey
from synapse_tim.testing import loopback, wait_for
from synapse_tim.testing.merge import REMOVED
from synapse_tim.testing.simulator.idp.jwe import encrypt
from tests.login.e2e.world import DOCTOR, OTHER_IK, OURS, log_in, logged_in, profile, refused

pytestmark = pytest.mark.servers

URN = "urn:telematik:claims:"


def test_af_10234_an_insured_person_logs_in(world):
    person = world.insured()
    session = logged_in(world.insurer, world.insured_token(person))
    assert session["user_id"] == f"@{person.kvnr.lower()}:{world.insurer.server_name}"
    assert profile(world.insurer, session) == f"{person.family_name}, Irma"


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({f"{URN}id": "x000000001"}, "kvnr_malformed"),
        ({f"{URN}id": "X00000001"}, "kvnr_malformed"),
        ({f"{URN}id": "X0000000011"}, "kvnr_malformed"),
        ({f"{URN}id": "X00000000\u0661"}, "kvnr_malformed"),
        ({f"{URN}id": "X000000001\n"}, "kvnr_malformed"),
        ({f"{URN}id": ["X000000001"]}, "claims_malformed"),
        ({f"{URN}id": REMOVED}, "claim_missing"),
        ({f"{URN}organization": OTHER_IK}, "other_insurer"),
        ({f"{URN}organization": "100000000"}, "other_insurer"),
        ({f"{URN}organization": "10950096"}, "insurer_malformed"),
        ({f"{URN}organization": 109500969}, "claims_malformed"),
        ({f"{URN}organization": REMOVED}, "claim_missing"),
        ({f"{URN}profession": DOCTOR}, "profession_not_permitted"),
        ({f"{URN}profession": REMOVED}, "claim_missing"),
        ({"acr": "gematik-ehealth-loa-substantial"}, "acr_too_low"),
        ({"amr": ["urn:telematik:auth:pwd"]}, "amr_not_allowed"),
    ],
    ids=str,
)
def test_af_10234_claims_that_are_refused(world, claims, reason):
    person = world.insured()
    refused(world.insurer, world.insured_token(person, claims=claims), reason)
    logged_in(world.insurer, world.insured_token(person))


def test_af_10234_a_token_is_worth_one_log_in_however_it_is_encrypted(world):
    person = world.insured()
    signed = world.insured_token(person, encrypt_to=None)
    public = jwk.public_key(dict(world.current_key.public_jwk))
    header = {"cty": "JWT", "kid": world.current_key.kid}
    logged_in(world.insurer, encrypt(signed.encode(), public, header=header))
    refused(world.insurer, encrypt(signed.encode(), public, header=header), "replayed")


def test_af_10234_a_token_that_is_not_encrypted_is_refused(world):
    person = world.insured()
    refused(world.insurer, world.insured_token(person, encrypt_to=None), "not_encrypted")
    logged_in(world.insurer, world.insured_token(person))


def test_tokens_for_the_key_of_before_are_still_read(world):
    logged_in(world.insurer, world.insured_token(world.insured(), encrypt_to=world.old_key.public_jwk))


def test_the_current_key_is_served_and_no_private_one(world):
    answer = loopback.get(f"{world.insurer.client_url}{OURS}/jwks.json")
    assert answer.status_code == 200
    assert answer.json() == {"keys": [dict(world.current_key.public_jwk)]}


def test_encryption_that_is_refused(world):
    person = world.insured()
    signed = world.insured_token(person, encrypt_to=None).encode()
    public = jwk.public_key(dict(world.current_key.public_jwk))
    stranger = DecryptionKey.of(ec.generate_private_key(ec.SECP256R1()))
    brainpool = ec.generate_private_key(ec.BrainpoolP256R1()).public_key()
    kid = world.current_key.kid
    genuine = encrypt(signed, public, header={"kid": kid})
    segments, short_tag = genuine.split("."), base64url(b"t" * 12).decode()
    refused(world.insurer, encrypt(signed, public, header={"kid": kid, "zip": "DEF"}), "header_unsupported")
    refused(world.insurer, encrypt(signed, public, header={"kid": kid, "crit": ["x"]}), "header_unsupported")
    refused(world.insurer, encrypt(signed, public, header={"alg": "RSA-OAEP"}), "encryption_not_allowed")
    refused(world.insurer, encrypt(signed, public, header={"enc": "A128CBC-HS256"}), "encryption_not_allowed")
    refused(world.insurer, encrypt(signed, b"k" * 32), "encryption_not_allowed")
    refused(world.insurer, encrypt(signed, brainpool), "no_decryption_key")
    refused(world.insurer, encrypt(signed, public, header={"kid": "another"}), "no_decryption_key")
    other = jwk.public_key(dict(stranger.public_jwk))
    refused(world.insurer, encrypt(signed, other, header={"kid": kid}), "not_decrypted")
    flipped = segments[3][:-2] + ("A" if segments[3][-2] != "A" else "B") + segments[3][-1]
    refused(world.insurer, ".".join([*segments[:3], flipped, segments[4]]), "not_decrypted")
    refused(world.insurer, ".".join([*segments[:4], short_tag]), "not_a_token")
    refused(world.insurer, encrypt(genuine.encode(), public, header={"kid": kid}), "not_a_token")
    logged_in(world.insurer, genuine)


def test_af_10234_professionals_do_not_log_in_at_an_insurer_nor_insured_persons_elsewhere(world):
    person = world.insured()
    refused(world.insurer, world.card_token(world.doctor()), "issuer_unknown")
    refused(world.clinic, world.insured_token(person, encrypt_to=None), "issuer_unknown")
    claims = {"professionOID": "1.2.276.0.76.4.49", "sub": "disguised"}
    refused(world.clinic, world.broker_token(world.doctor(), claims=claims), "insured_person")
    refused(world.clinic, world.broker_token(person), "insured_person")


def test_logins_go_on_without_the_directory(world):
    """The institution codes are those of the last verified list, however old it is."""
    person = world.insured()
    world.ti.faults.status = 503
    try:
        logged_in(world.insurer, world.insured_token(person))
    finally:
        world.ti.faults.reset()


def test_an_institution_code_moves_with_the_list(world):
    person = world.insured(ik="103500693")
    refused(world.insurer, world.insured_token(person), "other_insurer")
    entry = world.insurer.server_name
    world.ti.remove(entry)
    world.ti.add(entry, insurance=True, ik=["109500969", "103500693"])
    wait_for(
        lambda: world.insurer.metrics()["synapse_tim_federation_list_version"] == world.ti.version,
        what="list",
    )
    assert log_in(world.insurer, world.insured_token(person)).status_code == 200
