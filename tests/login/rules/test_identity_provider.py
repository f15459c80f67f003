"""R4.1, R4.4, R4.5: the profiles, and a person out of a token."""

import datetime as dt

import attrs
import pytest

from synapse_tim.core.products import Product
from synapse_tim.federation.list import parse_payload
from synapse_tim.jose.signed_token import ALGORITHMS, SignatureRules
from synapse_tim.login.rules.account_naming import Template, localpart
from synapse_tim.login.rules.claims import INSURED, ClaimRules
from synapse_tim.login.rules.identity_provider import (
    DEFAULTS,
    AccountRules,
    IdentityProvider,
    Person,
    Profile,
    ThisServer,
)
from synapse_tim.login.rules.insured import Insurer
from synapse_tim.login.rules.refusals import TokenRefusal, TokenRefusedError
from synapse_tim.testing.simulator.idp.cards import CARDS, INSURED_PERSONS
from tests.support.helpers import NOW, document, entry

ISSUER, US = "https://idp.example", "messenger"
T = int(NOW.timestamp())
MAX_AGE = dt.timedelta(minutes=5)
LIST = parse_payload(document(entry("insurer.example", True, ik=["109500969"])))
SERVERS = {
    product: ThisServer(product, Insurer(name))
    for product, name in ((Product.PRO, "hospital.example"), (Product.EPA, "insurer.example"))
}


def refused(reason):
    return pytest.raises(TokenRefusedError, match=rf"^{reason.value}(:|$)")


def provider(profile, professions=None, **claims):
    """As the operator gets it who says as little as possible."""
    defaults = DEFAULTS[profile]
    return IdentityProvider(
        id="idp",
        signature=SignatureRules(frozenset(defaults.algorithms), defaults.types),
        claims=ClaimRules(
            ISSUER,
            US,
            MAX_AGE,
            defaults.minimum_acr,
            amr=defaults.amr,
            profession_claim=defaults.profession_claim,
            professions=professions or defaults.professions,
            **claims,
        ),
        accounts=AccountRules("sub", defaults.localpart or Template("{sub}")),
    )


CENTRAL = provider(Profile.GEMATIK_IDP, frozenset(card.profession_oid for card in CARDS.values()))
SECTORAL = provider(Profile.GESUNDHEITSID)


def claims(somebody, **members):
    usual = {
        "iss": ISSUER,
        "aud": US,
        "sub": "Subject",
        "iat": T,
        "exp": T + 300,
        "acr": "gematik-ehealth-loa-high",
        "amr": list(somebody.amr),
        **somebody.claims(),
    }
    return {name: value for name, value in (usual | members).items() if value is not ...}


def person(rules, somebody, product, known_list=LIST, **members):
    return rules.person(claims(somebody, **members), SERVERS[product], known_list, NOW)


@pytest.mark.parametrize("profile", Profile)
def test_profiles_use_known_algorithms_and_no_symmetric_ones(profile):
    assert set(DEFAULTS[profile].algorithms) <= set(ALGORITHMS)
    assert "jwt" in DEFAULTS[profile].types


def test_what_the_profiles_demand():
    assert set(DEFAULTS) == set(Profile)
    assert DEFAULTS[Profile.GEMATIK_IDP].algorithms == ("BP256R1",)
    assert DEFAULTS[Profile.GEMATIK_IDP].professions is None
    assert DEFAULTS[Profile.GESUNDHEITSID].encrypted
    assert DEFAULTS[Profile.GESUNDHEITSID].professions == {INSURED}
    assert {DEFAULTS[profile].minimum_acr for profile in Profile} == {"gematik-ehealth-loa-high", None}
    assert DEFAULTS[Profile.OIDC].localpart is None


@pytest.mark.parametrize(
    ("name", "account", "display_name"),
    [
        ("doctor", "1-hba-test-only-0001", "Doktor TEST-ONLY, Dorothea"),
        ("hospital", "5-smc-b-test-only-0003", "Krankenhaus TEST-ONLY"),
    ],
)
def test_somebody_with_a_card(name, account, display_name):
    found = person(CENTRAL, CARDS[name], Product.PRO, None)
    assert found == Person("Subject", display_name)
    assert repr(found) == "Person()"
    assert localpart(CENTRAL.accounts.localpart, claims(CARDS[name]), "hospital.example") == account


def test_somebody_who_is_insured():
    erika = INSURED_PERSONS["erika"]
    assert person(SECTORAL, erika, Product.EPA) == Person("Subject", "Versicherte TEST-ONLY, Erika")
    assert localpart(SECTORAL.accounts.localpart, claims(erika), "insurer.example") == "x000000012"


@pytest.mark.parametrize(
    ("rules", "somebody", "product", "members", "reason"),
    [
        (CENTRAL, CARDS["doctor"], Product.EPA, {}, TokenRefusal.NOT_INSURED),
        (SECTORAL, INSURED_PERSONS["erika"], Product.PRO, {}, TokenRefusal.INSURED_PERSON),
        (SECTORAL, INSURED_PERSONS["ulla"], Product.EPA, {}, TokenRefusal.OTHER_INSURER),
        (SECTORAL, CARDS["doctor"], Product.EPA, {}, TokenRefusal.AMR_NOT_ALLOWED),
        (
            CENTRAL,
            CARDS["doctor"],
            Product.PRO,
            {"professionOID": INSURED},
            TokenRefusal.PROFESSION_NOT_PERMITTED,
        ),
        (CENTRAL, CARDS["doctor"], Product.PRO, {"professionOID": None}, TokenRefusal.CLAIM_MISSING),
        (
            CENTRAL,
            CARDS["doctor"],
            Product.PRO,
            {"acr": "gematik-ehealth-loa-substantial"},
            TokenRefusal.ACR_TOO_LOW,
        ),
        (CENTRAL, CARDS["doctor"], Product.PRO, {"amr": ["pwd"]}, TokenRefusal.AMR_NOT_ALLOWED),
        (CENTRAL, CARDS["doctor"], Product.PRO, {"sub": ...}, TokenRefusal.CLAIM_MISSING),
        (CENTRAL, CARDS["doctor"], Product.PRO, {"sub": 5}, TokenRefusal.CLAIMS_MALFORMED),
        (CENTRAL, CARDS["doctor"], Product.PRO, {"aud": "other"}, TokenRefusal.AUDIENCE),
        (CENTRAL, CARDS["doctor"], Product.PRO, {"iat": T - 301}, TokenRefusal.TOO_OLD),
    ],
    ids=lambda value: str(value)[:30],
)
def test_who_does_not_belong_here_is_refused(rules, somebody, product, members, reason):
    with refused(reason):
        person(rules, somebody, product, **members)


@pytest.mark.parametrize(
    ("number", "reason"),
    [(None, TokenRefusal.CLAIM_MISSING), ("@eve:evil.test", TokenRefusal.LOCALPART)],
)
def test_a_name_is_looked_for_only_when_an_account_is_made(number, reason):
    doctor = CARDS["doctor"]
    assert person(CENTRAL, doctor, Product.PRO, idNummer=number).subject == "Subject"
    with refused(reason):
        localpart(CENTRAL.accounts.localpart, claims(doctor, idNummer=number), "hospital.example")


def test_without_a_list_no_insured_person_gets_in():
    with refused(TokenRefusal.LIST_MISSING):
        person(SECTORAL, INSURED_PERSONS["erika"], Product.EPA, None)


def test_persons_are_told_apart_by_the_configured_claim():
    accounts = AccountRules("idNummer", Template("{sub}"), (Template("Dr. {family_name}"),))
    found = person(attrs.evolve(CENTRAL, accounts=accounts), CARDS["doctor"], Product.PRO)
    assert found == Person("1-HBA-TEST-ONLY-0001", "Dr. Doktor TEST-ONLY")


# What is remembered ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("issued", "expires"), [(T, T + 300), (T - 250, T + 10), (T + 60, T + 10**6), (T, T + 30)]
)
def test_a_token_is_remembered_for_as_long_as_it_could_be_used(issued, expires):
    doctor = claims(CARDS["doctor"], iat=issued, exp=expires)
    until = CENTRAL.use(doctor, "digest").until
    for seconds in range(0, 1000, 10):
        moment = NOW + dt.timedelta(seconds=seconds)
        if moment < until:
            continue
        with pytest.raises(TokenRefusedError):
            CENTRAL.person(doctor, SERVERS[Product.PRO], None, moment)
    assert until <= NOW + dt.timedelta(minutes=65)


def test_the_nonce_and_the_session_are_those_of_the_token():
    use = CENTRAL.use(claims(CARDS["doctor"], nonce="n", sid="s", jti="j"), "digest")
    assert (use.nonce, use.session_id) == ("n", "s")
    assert use.replay_key == CENTRAL.use(claims(CARDS["hospital"], jti="j"), "other").replay_key
    without = CENTRAL.use(claims(CARDS["doctor"], nonce=None), "digest")
    assert (without.nonce, without.session_id) == (None, None)
    assert "n'" not in repr(use)


@pytest.mark.parametrize("member", ["nonce", "sid", "jti"])
def test_they_are_texts(member):
    for value in (1, [], "a\0"):
        with refused(TokenRefusal.CLAIMS_MALFORMED):
            CENTRAL.use(claims(CARDS["doctor"], **{member: value}), "digest")
