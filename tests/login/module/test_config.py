"""The block ``login``: what it may say, and that every mistake names its key and what is expected."""

import datetime as dt
import json

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from synapse.module_api.errors import ConfigError

from synapse_tim import LoginPolicy, OidcMapping
from synapse_tim.core.products import Product
from synapse_tim.jose.jwk import thumbprint
from synapse_tim.jose.signed_token import ALGORITHMS
from synapse_tim.login.rules.account_naming import KeyedHash, Template
from synapse_tim.login.rules.claims import ACR_ORDER, INSURED
from synapse_tim.login.rules.identity_provider import DEFAULTS, Profile
from synapse_tim.login.rules.methods import ID_TOKEN_TYPE, LoginMethod

SERVER = "hospital.example"
DOCTOR = "1.2.276.0.76.4.30"
TRUST = {"pinned_roots": ["ab" * 32], "ocsp": "off"}


def pem(key, password=None):
    encryption = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)


@pytest.fixture
def write(tmp_path):
    """Writes a file and says where it is."""

    def write(name, content):
        (tmp_path / name).write_bytes(content)
        return str(tmp_path / name)

    return write


@pytest.fixture
def key_path(write):
    return write("token-key.pem", pem(ec.generate_private_key(ec.SECP256R1())))


@pytest.fixture
def hash_key_path(write):
    return write("hash-key", b"k" * 32)


def provider(profile="oidc", **more):
    block = {
        "id": "idp",
        "profile": profile,
        "issuer": "https://idp.example",
        "audience": "messenger",
        "keys": {"jwks_url": "https://idp.example/jwks"},
    }
    if profile == "oidc":
        block["localpart"] = {"template": "{sub}"}
    if profile == "gematik_idp":
        block["professions"] = [DOCTOR]
    return {name: value for name, value in (block | more).items() if value is not ...}


def parse(*providers, product="pro", **login):
    block = {"providers": list(providers), **login}
    return LoginPolicy.parse_config({"product": product, "spec_version": "1.2", "login": block})


def insured(key_path, *providers, **login):
    return parse(*providers, product="epa", decryption_keys=[key_path], **login)


def refused(path, says, call):
    """It is refused, and nothing else, with the full path of the key and what is expected."""
    with pytest.raises(ConfigError) as caught:
        call()
    (line,) = caught.value.msg.splitlines()
    assert line.startswith(f"modules[…].config.{path}: "), line
    assert says in line, line
    keys = path.replace("[", ".").replace("]", "").split(".")
    assert list(caught.value.path)[: len(keys)] == keys


P0 = "login.providers[0]"
KNOWN = f"expected one of {', '.join(ALGORITHMS)}"


# What it may say ------------------------------------------------------------------------------------------


def test_without_a_block_nobody_logs_in_with_a_token_and_no_password_is_taken():
    for product in Product:
        config = LoginPolicy.parse_config({"product": product.value, "spec_version": "1.2"})
        rules = config.login_rules(SERVER, None)
        assert config.login.providers == []
        assert LoginMethod.PASSWORD not in rules.permitted
        assert rules.token_types == {ID_TOKEN_TYPE}
        assert rules.break_glass == frozenset()


@pytest.mark.parametrize("profile", Profile)
def test_who_says_little_gets_what_the_profile_says(profile, key_path):
    block = provider(profile.value)
    product = "epa" if profile is Profile.GESUNDHEITSID else "pro"
    config = parse(block, product=product, decryption_keys=[key_path])
    found, defaults = config.login.providers[0].provider(), DEFAULTS[profile]
    assert found.signature.algorithms == frozenset(defaults.algorithms)
    assert found.signature.types == defaults.types
    assert found.encrypted is defaults.encrypted
    assert (found.registration, found.nonce_required) == (False, False)
    claims = found.claims
    assert (claims.issuer, claims.audience) == ("https://idp.example", "messenger")
    assert claims.max_age == dt.timedelta(minutes=5)
    assert (claims.minimum_acr, claims.amr) == (defaults.minimum_acr, defaults.amr)
    assert claims.acr_order == ACR_ORDER
    assert claims.profession_claim == defaults.profession_claim
    assert claims.professions == (
        frozenset({DOCTOR}) if profile is Profile.GEMATIK_IDP else defaults.professions
    )
    assert claims.required == {}
    assert found.accounts.subject_claim == "sub"
    assert found.accounts.localpart == (defaults.localpart or Template("{sub}"))
    assert found.accounts.display_names is None


def test_a_full_block_of_the_central_idp():
    block = provider(
        "gematik_idp",
        keys={
            "discovery_url": "https://idp.example/.well-known/openid-configuration",
            "refresh_interval": "2h",
            "pause": "30s",
        },
        signature_algorithms=["BP256R1", "ES256"],
        types=["JWT", "at+JWT"],
        encrypted=False,
        max_age="1h",
        minimum_acr="gematik-ehealth-loa-substantial",
        acr_order=list(ACR_ORDER),
        amr=["mfa"],
        profession_claim="professionOID",
        professions=[DOCTOR, "1.2.276.0.76.4.53"],
        required_claims={"idNummer": ["1-a", "1-b"]},
        subject_claim="idNummer",
        localpart={"template": "ti-{idNummer}"},
        display_name=["{family_name}", "{organizationName}"],
        registration=True,
        nonce_required=True,
    )
    config = parse(
        block,
        permitted=["id_token", "password", "com.example.other"],
        break_glass_administrators=["root", "@Admin:hospital.example"],
        token_types=["com.example.token"],
        max_session_lifetime="26w",
        trust=TRUST,
    )
    found = config.login.providers[0].provider()
    assert found.signature.algorithms == {"BP256R1", "ES256"}
    assert found.signature.types == {"jwt", "at+jwt"}
    assert found.claims.max_age == dt.timedelta(hours=1)
    assert found.claims.minimum_acr == ACR_ORDER[0]
    assert (found.claims.amr, found.claims.required) == ({"mfa"}, {"idNummer": {"1-a", "1-b"}})
    assert found.accounts.subject_claim == "idNummer"
    assert found.accounts.localpart == Template("ti-{idNummer}")
    assert found.accounts.display_names == (Template("{family_name}"), Template("{organizationName}"))
    assert found.registration and found.nonce_required and not found.encrypted
    assert config.login.providers[0].keys.refresh_interval == 2 * 60 * 60 * 1000
    assert config.login.providers[0].keys.pause == 30 * 1000
    rules = config.login_rules(SERVER, frozenset({"oidc-a"}))
    assert rules.permitted == {"id_token", "password", "com.example.other"}
    assert rules.token_types == {ID_TOKEN_TYPE, "com.example.token"}
    assert rules.break_glass == {"@root:hospital.example", "@admin:hospital.example"}
    assert rules.sso_providers == {"oidc-a"}
    assert config.trust_of_providers.pinned_roots == ["ab" * 32]


def test_a_full_block_of_insured_persons(key_path, hash_key_path, write):
    second = ec.generate_private_key(ec.BrainpoolP256R1())
    block = provider(
        "gesundheitsid",
        localpart={"hash_of": ["urn:telematik:claims:id"], "hash_key_path": hash_key_path},
        encrypted=True,
        registration=True,
    )
    keys = [key_path, write("old.pem", pem(second))]
    config = parse(
        block, product="epa", permitted=["id_token", "sso"], decryption_keys=keys, further_iks=["109500969"]
    )
    found = config.login.providers[0].provider()
    assert found.accounts.localpart == KeyedHash(("urn:telematik:claims:id",), b"k" * 32)
    assert found.claims.professions == {INSURED}
    read = config.login.read_decryption_keys()
    assert [key.key.curve.name for key in read] == ["secp256r1", "brainpoolP256r1"]
    assert read[1].kid == thumbprint(second.public_key())
    assert config.login.further_iks == ["109500969"]


def test_a_full_block_of_another_provider(write):
    path = write("jwks.json", json.dumps({"keys": []}).encode())
    block = provider(keys={"jwks_path": path}, signature_algorithms=list(ALGORITHMS), types=[""])
    found = parse(block).login.providers[0].provider()
    assert found.signature.algorithms == frozenset(ALGORITHMS)
    assert found.signature.types == {""}


def test_no_other_profile_vouches_for_insured_persons():
    refused(
        f"{P0}.profile",
        "product epa needs gesundheitsid",
        lambda: parse(provider(professions=[INSURED]), product="epa"),
    )


def test_a_provider_on_this_machine_needs_no_tls():
    for host in ("localhost:8080", "127.0.0.1", "[::1]:8080"):
        parse(provider(keys={"jwks_url": f"http://{host}/jwks"}))


def test_white_space_around_a_hash_key_does_not_count(write):
    path = write("key", b"\n" + b"k" * 32 + b"\r\n")
    config = parse(provider(localpart={"hash_of": ["sub"], "hash_key_path": path}))
    assert config.login.providers[0].provider().accounts.localpart.key == b"k" * 32


def test_the_block_of_the_mapping_is_that_of_the_claims(hash_key_path):
    config = OidcMapping.parse_config(
        {
            "profile": "oidc",
            "max_age": "10m",
            "professions": [DOCTOR],
            "localpart": {"hash_of": ["sub"], "hash_key_path": hash_key_path},
        }
    )
    rules = config.claim_rules("https://idp.example", "synapse")
    assert (rules.issuer, rules.audience, rules.max_age) == (
        "https://idp.example",
        "synapse",
        dt.timedelta(minutes=10),
    )
    assert rules.professions == {DOCTOR}
    refused(
        "issuer", "unknown", lambda: OidcMapping.parse_config({"profile": "gesundheitsid", "issuer": "x"})
    )


# Mistakes -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("member", "value", "path", "says"),
    [
        ("id", ..., "id", "required"),
        ("id", "", "id", "at least 1 character"),
        ("id", 1, "id", "string"),
        ("issuer", ..., "issuer", "required"),
        ("audience", ..., "audience", "required"),
        ("audience", ["messenger"], "audience", "string"),
        ("profile", ..., "profile", "required"),
        ("profile", "gematik", "profile", "expected 'gematik_idp' or 'gesundheitsid' or 'oidc'"),
        ("keys", ..., "keys", "required"),
        ("keys", {}, "keys", "expected one of discovery_url, jwks_url, jwks_path and trust_anchor"),
        ("keys", {"refresh_interval": "1h"}, "keys", "expected one of"),
        (
            "keys",
            {"jwks_url": "https://a.example/", "discovery_url": "https://a.example/"},
            "keys",
            "expected one of discovery_url, jwks_url, jwks_path and trust_anchor",
        ),
        ("keys", {"jwks_url": "idp.example"}, "keys.jwks_url", "expected an http or https URL"),
        ("keys", {"jwks_url": "http://idp.example/"}, "keys.jwks_url", "expected an https URL"),
        ("keys", {"jwks_url": "http://localhost.example/"}, "keys.jwks_url", "expected an https URL"),
        ("keys", {"discovery_url": "http://idp.example/"}, "keys.discovery_url", "expected an https URL"),
        ("keys", {"jwks_url": "https://u:p@idp.example/"}, "keys.jwks_url", "without user name"),
        ("keys", {"jwks_path": "/no/such/file"}, "keys.jwks_path", "cannot read /no/such/file"),
        (
            "keys",
            {"trust_anchor": {"entity_id": "https://master.example", "jwks_path": "/no/such/file"}},
            "keys.trust_anchor.jwks_path",
            "cannot read /no/such/file",
        ),
        ("keys", {"jwks_url": "https://a.example/", "url": "x"}, "keys.url", "unknown"),
        ("keys", {"jwks_url": "https://a.example/", "pause": "soon"}, "keys.pause", "expected a duration"),
        ("keys", {"jwks_url": "https://a.example/", "pause": 0}, "keys.pause", "from one second"),
        ("key", {}, "key", "unknown"),
        ("algorithms", ["ES256"], "algorithms", "unknown"),
        ("signature_algorithms", [], "signature_algorithms", "at least one"),
        ("signature_algorithms", "ES256", "signature_algorithms", "list"),
        *(
            ("signature_algorithms", ["ES256", name], "signature_algorithms", f"{KNOWN}, found {name!r}")
            for name in ("none", "HS256", "HS512", "es256", "ES256K", "")
        ),
        ("types", [], "types", "at least one"),
        ("types", [None], "types[0]", "string"),
        ("encrypted", "yes", "encrypted", "boolean"),
        ("registration", 1, "registration", "boolean"),
        ("nonce_required", None, "nonce_required", "boolean"),
        ("max_age", "61m", "max_age", "expected at most an hour (1h)"),
        ("max_age", "2h", "max_age", "expected at most an hour (1h)"),
        ("max_age", 3600001, "max_age", "expected at most an hour (1h)"),
        ("max_age", 0, "max_age", "from one second"),
        ("max_age", True, "max_age", "expected a duration"),
        ("minimum_acr", "loa-high", "", "minimum_acr (loa-high) has to be one of acr_order"),
        ("minimum_acr", "", "minimum_acr", "at least 1 character"),
        ("acr_order", [], "acr_order", "at least one"),
        ("amr", [], "amr", "at least one"),
        ("amr", "mfa", "amr", "list"),
        ("professions", [], "professions", "at least one"),
        (
            "professions",
            ["arzt"],
            "professions[0]",
            "expected an object identifier such as 1.2.276.0.76.4.30",
        ),
        ("professions", [DOCTOR, "1"], "professions[1]", "expected an object identifier"),
        ("professions", [1.2], "professions[0]", "string"),
        ("required_claims", {"a": []}, "required_claims.a", "at least one"),
        ("required_claims", {"a": "x"}, "required_claims.a", "list"),
        ("required_claims", {"a": [1]}, "required_claims.a[0]", "string"),
        ("required_claims", ["a"], "required_claims", "dictionary"),
        ("subject_claim", "", "subject_claim", "at least 1 character"),
        ("localpart", ..., "", "the profile oidc needs localpart"),
        ("localpart", {}, "localpart", "expected either template or hash_of"),
        ("localpart", "{sub}", "localpart", "dictionary"),
        ("localpart", {"template": "sub"}, "localpart.template", "at least one claim in braces"),
        ("localpart", {"template": "{sub"}, "localpart.template", "at least one claim in braces"),
        (
            "localpart",
            {"template": "{a}", "hash_of": ["a"]},
            "localpart",
            "expected either template or hash_of",
        ),
        ("localpart", {"hash_of": ["a"]}, "localpart", "hash_of and hash_key_path belong together"),
        ("localpart", {"hash_of": []}, "localpart.hash_of", "at least one"),
        (
            "localpart",
            {"hash_of": ["a"], "hash_key_path": "/no/such/file"},
            "localpart.hash_key_path",
            "cannot read",
        ),
        ("localpart", {"template": "{a}", "prefix": "x"}, "localpart.prefix", "unknown"),
        ("display_name", [], "display_name", "at least one"),
        ("display_name", ["name"], "display_name[0]", "at least one claim in braces"),
        ("display_name", "{name}", "display_name", "list"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_mistake_in_a_provider_names_its_key(member, value, path, says):
    block = provider(**{member: value})
    refused(f"{P0}.{path}" if path else P0, says, lambda: parse(block))


def test_the_position_of_a_provider_is_named():
    refused("login.providers[1].id", "required", lambda: parse(provider(), provider(id=...)))


def test_hash_and_template_need_their_keys(hash_key_path):
    for localpart in ({"template": "{a}", "hash_key_path": hash_key_path}, {"hash_key_path": hash_key_path}):
        with pytest.raises(ConfigError, match=r"login\.providers\[0\]\.localpart: "):
            parse(provider(localpart=localpart))


@pytest.mark.parametrize("content", [b"", b"k" * 31, b" " * 40 + b"k" * 31 + b"\n" * 9])
def test_a_hash_key_has_32_octets(write, content):
    localpart = {"hash_of": ["sub"], "hash_key_path": write("key", content)}
    refused(
        f"{P0}.localpart",
        "hash_key_path: expected a key of at least 32 bytes",
        lambda: parse(provider(localpart=localpart)),
    )


def test_a_card_alone_does_not_let_everybody_in():
    refused(
        P0,
        "the profile gematik_idp needs professions",
        lambda: parse(provider("gematik_idp", professions=...)),
    )


def test_the_level_of_the_profile_has_to_be_among_the_operators(key_path):
    refused(
        P0,
        "minimum_acr (gematik-ehealth-loa-high) has to be one of acr_order",
        lambda: insured(key_path, provider("gesundheitsid", acr_order=["a", "b"])),
    )
    parse(provider(acr_order=["a", "b"]))
    parse(provider(acr_order=["a", "b"], minimum_acr="b"))


def test_a_signed_discovery_document_needs_roots():
    block = provider("gematik_idp", keys={"discovery_url": "https://idp.example/discovery"})
    refused(f"{P0}.keys.discovery_url", "add login.trust", lambda: parse(block))
    parse(block, trust=TRUST)
    parse(provider(keys={"discovery_url": "https://idp.example/discovery"}))


def test_every_profile_has_its_product(key_path):
    refused(
        f"{P0}.profile",
        "insured persons need product epa",
        lambda: parse(provider("gesundheitsid"), decryption_keys=[key_path]),
    )
    refused(
        f"{P0}.profile",
        "product epa needs gesundheitsid",
        lambda: insured(key_path, provider("gematik_idp")),
    )


def test_encrypted_tokens_need_a_key_of_ours(key_path):
    for block, product in ((provider("gesundheitsid"), "epa"), (provider(encrypted=True), "pro")):
        refused(
            f"{P0}.encrypted", "add login.decryption_keys", lambda b=block, p=product: parse(b, product=p)
        )
        parse(block, product=product, decryption_keys=[key_path])
    parse(provider("gesundheitsid", encrypted=False), product="epa")


@pytest.mark.parametrize(
    ("login", "path", "says"),
    [
        ({"provider": []}, "provider", "unknown"),
        ({"permitted": "sso"}, "permitted", "list"),
        ({"permitted": ["passwords"]}, "permitted", "found 'passwords'"),
        ({"permitted": ["sso", ""]}, "permitted[1]", "at least 1 character"),
        ({"break_glass_administrators": "root"}, "break_glass_administrators", "list"),
        ({"break_glass_administrators": [""]}, "break_glass_administrators[0]", "at least 1 character"),
        ({"token_types": ["m.login.token"]}, "token_types", "that Synapse does not define"),
        ({"token_types": ["com.example.a", "m.x"]}, "token_types", "that Synapse does not define"),
        ({"token_types": ["org.matrix.login.jwt"]}, "token_types", "that Synapse does not define"),
        ({"permitted": ["m.login.password"]}, "permitted", "expected password instead of m.login.password"),
        ({"token_types": [""]}, "token_types[0]", "at least 1 character"),
        ({"decryption_keys": ["/no/such/file"]}, "decryption_keys[0]", "cannot read /no/such/file"),
        ({"decryption_keys": "/no/such/file"}, "decryption_keys", "list"),
        ({"further_iks": ["12345678"]}, "further_iks", "expected institution codes of nine digits"),
        ({"further_iks": ["109500969", "10950096x"]}, "further_iks", "nine digits"),
        ({"further_iks": [109500969]}, "further_iks[0]", "string"),
        ({"max_session_lifetime": "forever"}, "max_session_lifetime", "expected a duration"),
        ({"trust": {}}, "trust.pinned_roots", "required"),
        ({"trust": {"pinned_roots": ["ab" * 32]}}, "trust", "needs ocsp_responder_url"),
        ({"trust": TRUST | {"roots": []}}, "trust.roots", "unknown"),
    ],
    ids=lambda value: str(value)[:50],
)
def test_a_mistake_in_the_block_names_its_key(login, path, says):
    for product in ("pro", "epa"):
        refused(f"login.{path}", says, lambda p=product: parse(product=p, **login))


def test_two_providers_have_two_ids_and_two_issuers():
    second = {"id": "b", "issuer": "https://b.example"}
    parse(provider(), provider(**second))
    for what, same in (("id", {"issuer": "https://b.example"}), ("issuer", {"id": "b"})):
        refused(
            "login", f"two providers have the same {what}", lambda s=same: parse(provider(), provider(**s))
        )


def test_insured_persons_have_no_break_glass():
    refused(
        "login.break_glass_administrators",
        "not for product epa",
        lambda: parse(product="epa", break_glass_administrators=["root"]),
    )
    parse(break_glass_administrators=["root"])


@pytest.mark.parametrize(
    "method",
    [
        "password",
        "jwt",
        "application_service",
        "com.example.other",
    ],
)
def test_insured_persons_have_their_identity_provider_only(method):
    refused(
        "login.permitted",
        "for product epa only id_token and sso",
        lambda: parse(product="epa", permitted=["id_token", method]),
    )


@pytest.mark.parametrize("user", ["@root:elsewhere.example", "@root", "root:8448", f"@a:b:{SERVER}"])
def test_break_glass_administrators_are_of_this_server(user):
    config = parse(break_glass_administrators=["root", user])
    with pytest.raises(ConfigError, match=r"break_glass_administrators\[1\]: expected a user of this server"):
        config.login_rules(SERVER, None)


def test_a_way_may_be_taken_away_and_all_may_be():
    for product in ("pro", "epa"):
        for permitted in (["sso"], ["id_token"], []):
            config = parse(product=product, permitted=permitted)
            assert config.login_rules(SERVER, None).permitted == set(permitted)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
        pem(rsa.generate_private_key(65537, 2048)),
        pem(ec.generate_private_key(ec.SECP256R1()), b"password"),
        pem(ec.generate_private_key(ec.SECP384R1())),
        pem(ec.generate_private_key(ec.SECP521R1())),
        pem(ec.generate_private_key(ec.SECP256K1())),
        pem(ec.generate_private_key(ec.BrainpoolP384R1())),
        ec.generate_private_key(ec.SECP256R1())
        .public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo),
    ],
    ids=["empty", "garbled", "RSA", "encrypted", "P-384", "P-521", "secp256k1", "brainpoolP384r1", "public"],
)
def test_a_key_that_decrypts_is_an_ec_key_on_one_of_two_curves(key_path, write, content):
    config = parse(decryption_keys=[key_path, write("other.pem", content)])
    refused(
        "login.decryption_keys[1]",
        "expected an unencrypted EC private key in PEM, on P-256 or brainpoolP256r1",
        config.login.read_decryption_keys,
    )


def test_errors_hold_no_secret(write):
    path = write("key", b"secretsecret")
    with pytest.raises(ConfigError) as caught:
        parse(provider(localpart={"hash_of": ["sub"], "hash_key_path": path}))
    assert "secret" not in caught.value.msg
    good = parse(provider(localpart={"hash_of": ["sub"], "hash_key_path": write("key", b"secret" * 9)}))
    assert "secretsecret" not in repr(good)


# The OpenID federation ------------------------------------------------------------------------------------


@pytest.fixture
def trust_anchor(write):
    return {"entity_id": "https://master.example", "jwks_path": write("master.json", b"{}")}


def test_a_member_of_the_federation_has_an_https_issuer(key_path, trust_anchor):
    for entity_id in ("http://master.example", "https://master.example/?x"):
        keys = {"trust_anchor": {**trust_anchor, "entity_id": entity_id}}
        block = provider("gesundheitsid", keys=keys)
        refused(f"{P0}.keys.trust_anchor.entity_id", "expected a", lambda b=block: insured(key_path, b))
    keys = {"trust_anchor": trust_anchor}
    insured(key_path, provider("gesundheitsid", keys=keys))
    wrong = provider("gesundheitsid", keys=keys, issuer="http://idp.example")
    refused(f"{P0}.issuer", "expected https", lambda: insured(key_path, wrong))


def test_keys_of_the_federation_are_fetched_at_least_once_a_day(key_path, trust_anchor):
    for interval in ("24h", "25h"):
        keys = {"trust_anchor": trust_anchor, "refresh_interval": interval}
        block = provider("gesundheitsid", keys=keys)
        if interval == "24h":
            insured(key_path, block)
        else:
            refused(f"{P0}.keys", "at most 24h", lambda b=block: insured(key_path, b))
