"""Whom a trust anchor vouches for. Each document that is refused is one change from the right one."""

import datetime as dt

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from synapse_tim.openid_federation.errors import FederationError
from synapse_tim.openid_federation.rules import chain
from synapse_tim.testing.merge import REMOVED
from tests.openid_federation.statements import (
    ANCHOR,
    IDP,
    NOW,
    anchor,
    anchor_configuration,
    at,
    configuration,
    jwks,
    key,
    metadata,
    signed,
    subordinate,
)

STRANGER = "https://stranger.example"


def verify(own=None, about=None, of_anchor=None, now=NOW, trusted=None):
    """The provider, from the three statements."""
    document = anchor_configuration() if of_anchor is None else of_anchor
    top = chain.read_anchor(document, trusted or anchor(), now)
    below = chain.read_subordinate(subordinate() if about is None else about, top, IDP, now)
    return chain.read_provider(configuration() if own is None else own, top, below, now)


def refused(reason, *arguments, **keywords):
    with pytest.raises(FederationError) as caught:
        verify(*arguments, **keywords)
    assert caught.value.reason == reason, caught.value


def test_a_provider_below_the_anchor_is_believed():
    provider = verify()
    assert provider.entity_id == IDP
    assert provider.endpoint("token_endpoint") == f"{IDP}/token"
    assert [each.kid for each in provider.statement.keys.keys] == ["idp"]


def test_what_is_verified_holds_until_the_first_statement_expires():
    soon = {"exp": at(minutes=7)}
    for documents in (
        {"own": configuration(**soon)},
        {"about": subordinate(**soon)},
        {"of_anchor": anchor_configuration(**soon)},
    ):
        assert verify(**documents).expires_at == NOW + dt.timedelta(minutes=7)


def public_pem(name):
    public = key(name).public_key()
    return public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


#: What may be wrong with any of the three, by what makes it: ``make(**changes)``.
WRONG = {
    "unsigned": ("not_a_statement", lambda make: make(algorithm="none")),
    "unsigned, with a signature": ("not_a_statement", lambda make: make(header={"alg": "none"})),
    "symmetric": (
        "not_a_statement",
        lambda make: make(public_pem("anchor"), algorithm="HS256", header={"kid": "anchor"}),
    ),
    "another algorithm": (
        "not_a_statement",
        lambda make: make(key("p384", ec.SECP384R1), algorithm="ES384"),
    ),
    "brainpool": ("not_a_statement", lambda make: make(key("bp", ec.BrainpoolP256R1), algorithm="BP256R1")),
    "another key": ("signature", lambda make: make("stranger")),
    "another key of that name": ("signature", lambda make: make(key("stranger"), header={"kid": "anchor"})),
    "another key of the other name": ("signature", lambda make: make(key("stranger"), header={"kid": "idp"})),
    "no kid": ("signature", lambda make: make(header={"kid": REMOVED})),
    "empty kid": ("signature", lambda make: make(header={"kid": ""})),
    "kid is a number": ("not_a_statement", lambda make: make(header={"kid": 1})),
    "no typ": ("not_a_statement", lambda make: make(header={"typ": REMOVED})),
    "a token": ("not_a_statement", lambda make: make(header={"typ": "JWT"})),
    "the list": ("not_a_statement", lambda make: make(header={"typ": "idp-list+jwt"})),
    "critical header": ("not_a_statement", lambda make: make(header={"crit": ["exp"]})),
    "key in the header": (
        "signature",
        lambda make: make("stranger", header={"jwk": jwks("stranger")["keys"][0]}),
    ),
    "another issuer": ("issuer", lambda make: make(iss=STRANGER)),
    "issuer with a slash": ("issuer", lambda make: make(iss=ANCHOR + "/")),
    "no issuer": ("malformed", lambda make: make(iss=REMOVED)),
    "issuer is a list": ("malformed", lambda make: make(iss=[ANCHOR])),
    "another subject": ("subject", lambda make: make(sub=STRANGER)),
    "no subject": ("malformed", lambda make: make(sub=REMOVED)),
    "expired": ("expired", lambda make: make(exp=at(seconds=-60))),
    "no expiry": ("malformed", lambda make: make(exp=REMOVED)),
    "expiry is a text": ("malformed", lambda make: make(exp=str(at(hours=1)))),
    "expiry is true": ("malformed", lambda make: make(exp=True)),
    "expiry in another age": ("malformed", lambda make: make(exp=10**300)),
    "expiry is negative": ("malformed", lambda make: make(exp=-1)),
    "from the future": ("not_yet_valid", lambda make: make(iat=at(seconds=61))),
    "no issue": ("malformed", lambda make: make(iat=REMOVED)),
    "critical claim": ("critical", lambda make: make(crit=["new"], new=1)),
    "nothing critical": ("critical", lambda make: make(crit=[])),
    "no keys": ("malformed", lambda make: make(jwks=REMOVED)),
    "keys are none": ("no_key", lambda make: make(jwks={"keys": []})),
    "keys are a text": ("malformed", lambda make: make(jwks={"keys": "x"})),
    "too long": ("not_a_statement", lambda make: make(padding="x" * 64 * 1024)),
    "not a JWS": ("not_a_statement", lambda make: b"{}"),
    "nothing": ("not_a_statement", lambda make: b""),
    "not ASCII": ("not_a_statement", lambda make: b"\xff.\xff.\xff"),
    "JSON twice": ("not_a_statement", lambda make: make()[:-1] + b"."),
    "encrypted": ("not_a_statement", lambda make: b"a.b.c.d.e"),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_statement_that_is_wrong_is_refused(what):
    reason, change = WRONG[what]
    refused(reason, of_anchor=change(anchor_configuration))
    refused(reason, about=change(subordinate))
    if what != "issuer with a slash":
        refused(reason, own=change(configuration))


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": at(seconds=-59)},
        {"iat": at(seconds=59)},
        {"iat": at(days=-1) + 0.5},
        {"unknown": {"claim": 1}, "trust_marks": []},
    ],
)
def test_the_nearest_statement_that_is_in_order_is_believed(changes):
    verify(configuration(**changes), subordinate(**changes), anchor_configuration(**changes))


def test_another_anchor_is_refused():
    refused("signature", trusted=anchor("stranger"))
    refused("signature", of_anchor=anchor_configuration("stranger", jwks=jwks("stranger")))
    refused("issuer", of_anchor=configuration("anchor", jwks=jwks("anchor")))


def test_an_anchor_that_names_its_next_key_may_sign_with_it():
    both = anchor_configuration(jwks=jwks("anchor", "next"))
    verify(of_anchor=both, about=subordinate("next"))
    refused("signature", of_anchor=both, about=subordinate("later"))


def test_an_anchor_that_names_only_another_key_is_refused():
    refused("signature", of_anchor=anchor_configuration(jwks=jwks("next")))


def test_a_provider_signs_with_a_key_that_the_anchor_names():
    refused("signature", own=configuration("other", jwks=jwks("idp", "other")))
    verify(own=configuration("other", jwks=jwks("other")), about=subordinate(jwks=jwks("idp", "other")))


def test_a_provider_names_the_key_it_signs_with():
    refused("signature", own=configuration(jwks=jwks("other")))
    verify(own=configuration(jwks=jwks("other", "idp")))


@pytest.mark.parametrize(
    ("reason", "hints"),
    [
        ("authority_hints", REMOVED),
        ("authority_hints", []),
        ("authority_hints", [IDP]),  # a loop
        ("authority_hints", ["https://intermediate.example"]),  # a longer chain
        ("authority_hints", [f"{ANCHOR}/"]),
        ("malformed", ANCHOR),
        ("malformed", [ANCHOR, 1]),
        ("malformed", None),
    ],
)
def test_a_provider_that_is_not_directly_below_the_anchor_is_refused(reason, hints):
    refused(reason, own=configuration(authority_hints=hints))


def test_one_of_several_superiors_may_be_the_anchor():
    verify(configuration(authority_hints=["https://other.example", ANCHOR]))


def test_a_statement_about_a_provider_is_none_of_it_about_itself():
    refused("signature", own=subordinate())
    refused("signature", about=configuration())


@pytest.mark.parametrize(
    ("reason", "constraints"),
    [
        ("constraint", {"naming_constraints": {"permitted": ["idp.example"]}}),
        ("constraint", {"allowed_entity_types": ["openid_relying_party"]}),
        ("constraint", {"allowed_entity_types": []}),
        ("malformed", {"allowed_entity_types": "openid_provider"}),
        ("constraint", {"new": 1}),
        ("constraint", []),
        ("constraint", None),
    ],
)
def test_limits_that_exclude_the_provider_or_are_not_understood_are_refused(reason, constraints):
    refused(reason, about=subordinate(constraints=constraints))


@pytest.mark.parametrize(
    "constraints", [{}, {"max_path_length": 0}, {"allowed_entity_types": ["openid_provider"]}]
)
def test_limits_that_a_provider_keeps_are_no_obstacle(constraints):
    verify(about=subordinate(constraints=constraints))


@pytest.mark.parametrize(
    ("reason", "about"),
    [
        ("metadata", {}),
        ("metadata", {"openid_provider": {}}),
        ("metadata", {"openid_provider": metadata(issuer=STRANGER)}),
        ("malformed", {"openid_provider": metadata(issuer=REMOVED)}),
        ("malformed", {"openid_provider": []}),
        ("malformed", None),
        (
            "metadata",
            {"openid_provider": metadata(token_endpoint_auth_methods_supported=["private_key_jwt"])},
        ),
    ],
)
def test_what_is_no_provider_that_can_be_used_is_refused(reason, about):
    refused(reason, own=configuration(metadata=about))


@pytest.mark.parametrize(
    ("reason", "url"),
    [
        ("metadata", REMOVED),
        ("malformed", 1),
        ("malformed", ""),
        ("metadata", "http://idp.example/token"),
        ("metadata", "https://"),
        ("metadata", "https://user@idp.example/token"),
        ("metadata", "https://idp.example/token#x"),
        ("metadata", "https://idp.example/a b"),
        ("metadata", "https://idp.example/\r\nX: 1"),
        ("metadata", "https://idp.example:x/"),
        ("metadata", "https://idp.example:0/"),
        ("metadata", "https://[idp/"),
        ("metadata", "https://ïdp.example/"),
        ("metadata", "file:///etc/passwd"),
        ("metadata", "https://idp.example/" + "x" * 2000),
    ],
)
def test_an_address_has_to_be_https(reason, url):
    provider = verify(configuration(metadata={"openid_provider": metadata(token_endpoint=url)}))
    with pytest.raises(FederationError) as caught:
        provider.endpoint("token_endpoint")
    assert caught.value.reason == reason
    assert provider.endpoint("authorization_endpoint") == f"{IDP}/auth"


def test_addresses_of_the_anchor_have_to_be_https_too():
    for endpoints in ({}, {"federation_fetch_endpoint": "http://master.example/fetch"}):
        document = anchor_configuration(metadata={"federation_entity": endpoints})
        with pytest.raises(FederationError):
            chain.anchor_endpoint(chain.read_anchor(document, anchor(), NOW), "federation_fetch_endpoint")


# What the anchor says about the provider goes before what it says itself ---------------------------------


def test_the_anchor_may_replace_metadata():
    about = subordinate(metadata={"openid_provider": {"token_endpoint": "https://other.example/t"}})
    provider = verify(about=about)
    assert provider.endpoint("token_endpoint") == "https://other.example/t"
    assert provider.endpoint("authorization_endpoint") == f"{IDP}/auth"


@pytest.mark.parametrize(
    ("parameter", "operators", "outcome"),
    [
        ("token_endpoint", {"value": "https://other.example/t"}, "https://other.example/t"),
        ("token_endpoint", {"value": None}, None),
        ("new", {"default": 1}, 1),
        ("issuer", {"default": STRANGER}, IDP),
        ("scopes_supported", {"add": ["more", "openid"]}, ["openid", "urn:telematik:versicherter", "more"]),
        ("new", {"add": ["more"]}, ["more"]),
        ("issuer", {"one_of": [IDP, STRANGER]}, IDP),
        ("new", {"one_of": ["x"]}, None),
        ("scopes_supported", {"subset_of": ["openid", "email"]}, ["openid"]),
        ("new", {"subset_of": ["x"]}, None),
        (
            "scopes_supported",
            {"superset_of": ["openid"], "essential": True},
            ["openid", "urn:telematik:versicherter"],
        ),
        ("new", {"essential": False}, None),
        ("new", {"default": ["a"], "superset_of": ["a"], "essential": True}, ["a"]),
        ("issuer", {"regexp": "x"}, IDP),  # an operator that is unknown and not critical
    ],
)
def test_a_policy_is_applied(parameter, operators, outcome):
    about = subordinate(metadata_policy={"openid_provider": {parameter: operators}})
    assert verify(about=about).metadata.get(parameter) == outcome


@pytest.mark.parametrize(
    "policy",
    [
        {"openid_provider": {"issuer": {"one_of": [STRANGER]}}},
        {"openid_provider": {"scopes_supported": {"superset_of": ["email"]}}},
        {"openid_provider": {"new": {"essential": True}}},
        {"openid_provider": {"token_endpoint": {"value": None, "essential": True}}},
        {"openid_provider": {"issuer": {"subset_of": [IDP]}}},  # not a list
        {"openid_provider": {"issuer": {"one_of": IDP}}},
        {"openid_provider": {"issuer": IDP}},
        {"openid_provider": []},
        [],
        None,
    ],
)
def test_a_policy_that_is_not_kept_or_is_malformed_is_refused(policy):
    refused("policy", about=subordinate(metadata_policy=policy))


def test_a_policy_that_is_not_understood_is_refused():
    policy = {"openid_provider": {"issuer": {"regexp": ".*"}}}
    refused("policy", about=subordinate(metadata_policy=policy, metadata_policy_crit=["regexp"]))
    refused("policy", about=subordinate(metadata_policy_crit=["regexp"]))
    refused("malformed", about=subordinate(metadata_policy_crit="regexp"))
    verify(about=subordinate(metadata_policy=policy, metadata_policy_crit=["value"]))


def test_a_policy_for_others_is_passed_over():
    verify(about=subordinate(metadata_policy={"openid_relying_party": {"x": {"essential": True}}}))


# Signed keys, and the list ----------------------------------------------------------------------------------


def keys_document(signer="idp", header=None, **changes):
    claims = {"iss": IDP, "keys": jwks("token")["keys"], "iat": at(minutes=-1)}
    return signed(claims, signer, header={"typ": "jwk-set+jwt", **(header or {})}, changes=changes)


def test_signed_keys_are_believed():
    for document in (
        keys_document(),
        keys_document(header={"typ": "jwk-set+json"}, exp=REMOVED),
        keys_document(sub=IDP),
    ):
        assert [each.kid for each in chain.read_signed_keys(document, verify(), NOW).keys] == ["token"]


@pytest.mark.parametrize(
    ("reason", "document"),
    [
        ("signature", keys_document("token")),
        ("signature", keys_document("anchor")),
        ("not_a_statement", keys_document(header={"typ": "entity-statement+jwt"})),
        ("not_a_statement", keys_document(header={"typ": "JWT"})),
        ("issuer", keys_document(iss=STRANGER)),
        ("subject", keys_document(sub=STRANGER)),
        ("expired", keys_document(exp=at(hours=-1))),
        ("not_yet_valid", keys_document(iat=at(hours=1))),
        ("no_key", keys_document(keys=REMOVED)),
        ("malformed", keys_document(keys="x")),
        ("no_key", keys_document(keys=[])),
    ],
)
def test_signed_keys_that_are_wrong_are_refused(reason, document):
    with pytest.raises(FederationError) as caught:
        chain.read_signed_keys(document, verify(), NOW)
    assert caught.value.reason == reason


def list_document(signer="anchor", header=None, **changes):
    rows = [{"iss": IDP, "organization_name": "Kasse", "user_type_supported": "IP", "logo_uri": "x"}]
    claims = {"iss": ANCHOR, "idp_entity": rows}
    return signed(claims, signer, header={"typ": "idp-list+jwt", **(header or {})}, changes=changes)


def listed(document):
    return chain.read_list(document, chain.read_anchor(anchor_configuration(), anchor(), NOW), NOW)


def test_the_list_names_providers_for_insured_persons():
    (row,) = listed(list_document())
    assert (row.entity_id, row.organization_name) == (IDP, "Kasse")
    right = {"iss": IDP, "organization_name": "Kasse"}
    rows = [
        {**right, "user_type_supported": "HP"},
        {**right, "iss": "http://idp.example"},
        {**right, "organization_name": None},
        {},
        1,
        None,
        "x",
        right,
    ]
    assert [row.entity_id for row in listed(list_document(idp_entity=rows))] == [IDP]


def test_a_list_of_all_insurers_is_not_too_long():
    row = {"iss": f"{IDP}/x", "organization_name": "Kasse" * 10, "logo_uri": f"{IDP}/{'x' * 400}"}
    assert len(listed(list_document(idp_entity=[row] * 500))) == 500


@pytest.mark.parametrize(
    ("reason", "document"),
    [
        ("signature", list_document("idp")),
        ("issuer", list_document(iss=IDP)),
        ("not_a_statement", list_document(header={"typ": "entity-statement+jwt"})),
        ("expired", list_document(exp=at(hours=-1))),
        ("malformed", list_document(idp_entity=REMOVED)),
        ("malformed", list_document(idp_entity={})),
        ("not_a_statement", list_document(padding="x" * 1024 * 1024)),
    ],
)
def test_a_list_that_is_wrong_is_refused(reason, document):
    with pytest.raises(FederationError) as caught:
        listed(document)
    assert caught.value.reason == reason
