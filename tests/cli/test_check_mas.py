"""``synapse-tim check --mas``: silent on what is right, and of what is wrong exactly one line."""

import copy
import json

import pytest
import yaml

from synapse_tim.check.catalogue import MAS_CHECKS
from synapse_tim.cli import main
from synapse_tim.core.checks import VIOLATION, WARNING
from synapse_tim.core.products import Product, SpecVersion
from tests.cli.configurations import Place, make_files, sound
from tests.login.e2e.world import Keys

NAMES = {check.name for check in MAS_CHECKS}
SECRET = "a-secret-that-nobody-may-see-of-any-length"


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    directory = tmp_path_factory.mktemp("mas")
    return Place(directory, make_files(directory))


def secret_file(place, name):
    path = place.directory / name
    path.touch(mode=0o600)
    path.write_text(SECRET)
    return str(path)


def homeserver(place, product=Product.PRO):
    """A homeserver whose users MAS logs in."""
    config = sound(place.directory, product, SpecVersion.V1_2)
    for key in ("refreshable_access_token_lifetime", "refresh_token_lifetime"):
        config.pop(key, None)
    config.pop("nonrefreshable_access_token_lifetime", None)
    config["password_config"] = {"enabled": False}
    config["matrix_authentication_service"] = {
        "enabled": True,
        "endpoint": "http://localhost:8080/",
        "secret_path": secret_file(place, "shared"),
    }
    return config


def mas(place, config):
    """What is right."""
    return {
        "http": {
            "public_base": "https://auth.example.de/",
            "listeners": [
                {
                    "resources": [{"name": name} for name in ("discovery", "human", "oauth", "compat")],
                    "binds": [{"host": "localhost", "port": 8080}],
                },
                {"resources": [{"name": "health"}], "binds": [{"socket": "/run/mas.sock"}]},
            ],
        },
        "matrix": {
            "homeserver": config["server_name"],
            "endpoint": "http://127.0.0.1:8008/",
            "secret_file": secret_file(place, "shared"),
        },
        "secrets": {
            "encryption_file": secret_file(place, "encryption"),
            "keys": [{"kid": "a", "key_file": secret_file(place, "rsa")}],
        },
        "passwords": {"enabled": False},
        "account": {"displayname_change_allowed": False, "email_change_allowed": False},
        "oauth": {"device_code_grant_enabled": False},
        "upstream_oauth2": {
            "providers": [
                {
                    "id": "01HFVBY12TMNTYTBV8W921M5FA",
                    "issuer": "https://gateway.example.de",
                    "client_id": "mas",
                    "client_secret_file": secret_file(place, "client"),
                    "on_backchannel_logout": "logout_all",
                    "claims_imports": {
                        "skip_confirmation": True,
                        "localpart": {"action": "require", "on_conflict": "fail"},
                        "displayname": {"action": "force"},
                    },
                }
            ]
        },
        "experimental": {"inactive_session_expiration": {"ttl": 15_724_800}},
    }


@pytest.fixture
def judged(place, capsys):
    """Check a configuration; gives the lines about MAS that are not right, as check and verdict."""

    def run(document, product=Product.PRO, config=None, *more):
        path, files = place.directory / "homeserver.yaml", []
        path.write_text(yaml.safe_dump(config or homeserver(place, product)))
        for number, each in enumerate((document, *more)):
            files.append(place.directory / f"mas{number}.yaml")
            files[-1].write_text(each if isinstance(each, str) else yaml.safe_dump(each))
        arguments = [part for file in files for part in ("--mas", str(file))]
        code = main(["check", str(path), *arguments, "--json"])
        printed = capsys.readouterr().out
        assert SECRET not in printed
        lines = [line for line in json.loads(printed)["results"] if line["check"] in NAMES]
        assert {line["check"] for line in lines} == NAMES
        wrong = [line for line in lines if line["verdict"] in ("violation", "warning")]
        assert code == 1 or not any(line["verdict"] == "violation" for line in wrong)
        return [(line["check"], line["verdict"]) for line in wrong]

    return run


@pytest.mark.parametrize("product", Product)
def test_what_is_right_is_passed_over(judged, place, product):
    assert judged(mas(place, homeserver(place, product)), product) == []


PROVIDER = "upstream_oauth2.providers.0"
WRONG = [
    ("matrix.homeserver", "other.example", "mas.matrix", VIOLATION),
    ("matrix.kind", "synapse_read_only", "mas.matrix", VIOLATION),
    ("matrix.endpoint", "http://10.0.0.1:8008/", "mas.endpoints", VIOLATION),
    ("http.public_base", "http://auth.example.de/", "mas.http.public_base", VIOLATION),
    ("http.listeners.0.binds", [{"address": "[::]:8080"}], "mas.http.listeners.tls", VIOLATION),
    ("http.listeners.0.binds", [{"host": "0.0.0.0", "port": 1}], "mas.http.listeners.tls", VIOLATION),
    ("http.listeners.0.binds", None, "mas.http.listeners.tls", VIOLATION),
    (
        "http.listeners.0.resources",
        [{"name": "oauth"}, {"name": "adminapi"}],
        "mas.http.listeners.resources",
        VIOLATION,
    ),
    ("passwords", None, "mas.passwords.enabled.pro", WARNING),
    ("passwords.enabled", "no", "mas.passwords.enabled.pro", WARNING),
    ("account.password_registration_enabled", True, "mas.registration", VIOLATION),
    ("guest_invites", {"enabled": True}, "mas.registration", VIOLATION),
    ("email", {"transport": "smtp"}, "mas.email", WARNING),
    ("account.email_change_allowed", None, "mas.email", VIOLATION),
    ("account.password_recovery_enabled", True, "mas.email", VIOLATION),
    (f"{PROVIDER}.claims_imports.email", {"action": "suggest"}, "mas.email", VIOLATION),
    ("account.displayname_change_allowed", True, "mas.account.displayname_change_allowed", VIOLATION),
    (f"{PROVIDER}.issuer", "http://gateway.example.de", "mas.issuer", VIOLATION),
    (f"{PROVIDER}.discovery_mode", "insecure", "mas.issuer", VIOLATION),
    (f"{PROVIDER}.pkce_method", "never", "mas.pkce_method", WARNING),
    (f"{PROVIDER}.on_backchannel_logout", None, "mas.on_backchannel_logout", VIOLATION),
    (f"{PROVIDER}.on_backchannel_logout", "logout_browser_only", "mas.on_backchannel_logout", VIOLATION),
    (f"{PROVIDER}.claims_imports.localpart.action", "force", "mas.localpart.action", VIOLATION),
    (f"{PROVIDER}.claims_imports.localpart.on_conflict", "add", "mas.localpart.on_conflict", VIOLATION),
    (f"{PROVIDER}.claims_imports.displayname.action", "suggest", "mas.displayname.action", VIOLATION),
    (f"{PROVIDER}.claims_imports.skip_confirmation", None, "mas.skip_confirmation", WARNING),
    ("oauth", None, "mas.oauth.device_code_grant_enabled", WARNING),
    ("experimental.access_token_ttl", 3601, "mas.lifetimes", WARNING),
    ("experimental.compat_token_ttl", 15_724_801, "mas.lifetimes", VIOLATION),
    ("experimental.access_token_ttl", "300", "mas.lifetimes", VIOLATION),
    ("experimental.inactive_session_expiration.ttl", 15_724_801, "mas.inactivity", VIOLATION),
    (
        "experimental.inactive_session_expiration.expire_compat_sessions",
        False,
        "mas.inactivity",
        VIOLATION,
    ),
    ("policy", {"data": {"admin_users": ["root"]}}, "mas.admins", WARNING),
    ("policy", {"data": {"admin_clients": ["01H"]}}, "mas.admins", WARNING),
    (
        "policy",
        {"data": {"client_registration": {"allow_insecure_uris": True}}},
        "mas.client_registration",
        VIOLATION,
    ),
    (f"{PROVIDER}.client_secret", SECRET, "mas.secrets", WARNING),
    ("matrix.secret_file", "/nowhere", "mas.secrets", WARNING),
    ("email", {"password": SECRET}, "mas.secrets", WARNING),
]


@pytest.mark.parametrize(("key", "value", "name", "verdict"), WRONG, ids=[f"{w[0]}={w[1]}" for w in WRONG])
def test_what_is_wrong_has_one_line(judged, place, key, value, name, verdict):
    document = mas(place, homeserver(place))
    holder, (*path, last) = document, key.split(".")
    for part in path:
        holder = holder[int(part)] if part.isdigit() else holder.setdefault(part, {})
    if value is None:
        holder.pop(last)
    else:
        holder[last] = copy.deepcopy(value)
    assert judged(document) == [(name, verdict.value)]


def test_no_inactive_session_ends_by_default(judged, place):
    document = mas(place, homeserver(place))
    del document["experimental"]
    assert judged(document) == [("mas.inactivity", "violation")]


def test_insured_persons_have_no_passwords(judged, place):
    document = mas(place, homeserver(place, Product.EPA))
    document["passwords"]["enabled"] = True
    assert judged(document, Product.EPA) == [("mas.passwords.enabled.epa", "violation")]


def test_with_several_providers_each_has_to_check_claims(judged, place):
    document = mas(place, homeserver(place))
    (first,) = document["upstream_oauth2"]["providers"]
    document["upstream_oauth2"]["providers"].append({**first, "enabled": False})
    assert judged(document) == []
    document["upstream_oauth2"]["providers"].append(first)
    assert judged(document) == [("mas.upstream_oauth2.providers", "warning")]
    document["upstream_oauth2"]["providers"] = []
    assert judged(document) == [("mas.upstream_oauth2.providers", "violation")]


def test_the_gateway_has_to_be_the_provider(judged, place):
    config = homeserver(place)
    config["public_baseurl"] = "https://matrix.example.de/"
    block = next(each["config"] for each in config["modules"] if "product" in each["config"])
    block["login"]["providers"] = [
        {
            "id": "broker",
            "profile": "oidc",
            "issuer": "https://broker.example.de",
            "audience": "gateway",
            "keys": {"jwks_url": "https://broker.example.de/jwks.json"},
            "localpart": {"template": "{sub}"},
        }
    ]
    key, _ = Keys(place.directory).private("gateway")
    block["identity_gateway"] = {
        "signing_keys": [key],
        "clients": [
            {
                "client_id": "mas",
                "client_secret_path": secret_file(place, "of-the-gateway"),
                "redirect_uris": ["https://auth.example.de/upstream/callback/01HFVBY12TMNTYTBV8W921M5FA"],
            }
        ],
        "upstreams": [
            {
                "provider": "broker",
                "name": "Broker",
                "oidc": {
                    "discovery_url": "https://broker.example.de/.well-known/openid-configuration",
                    "client_secret_path": secret_file(place, "of-the-broker"),
                },
            }
        ],
    }
    document = mas(place, config)
    assert judged(document, config=config) == [("mas.gateway", "violation")]
    (provider,) = document["upstream_oauth2"]["providers"]
    provider["issuer"] = "https://matrix.example.de/_synapse/client/synapse_tim/oidc"
    assert judged(document, config=config) == []


def test_a_secret_that_others_read(judged, place):
    document = mas(place, homeserver(place))
    document["matrix"]["secret_file"] = secret_file(place, "open")
    (place.directory / "open").chmod(0o644)
    assert judged(document) == [("mas.secrets", "warning")]


def test_the_homeserver_has_to_know_of_it(judged, place):
    config = homeserver(place)
    config["experimental_features"]["msc4108_enabled"] = True
    config["matrix_authentication_service"]["endpoint"] = "http://mas.internal:8080/"
    assert judged(mas(place, config), config=config) == [
        ("mas.endpoints", "violation"),
        ("mas.qr", "warning"),
    ]
    config = sound(place.directory, Product.PRO, SpecVersion.V1_2)
    assert ("mas.matrix", "violation") in judged(mas(place, config), config=config)


def test_later_files_replace_single_values(judged, place):
    document = mas(place, homeserver(place))
    document["passwords"]["enabled"] = True
    more = {"passwords": {"enabled": False}}
    assert judged(document, Product.PRO, None, more) == []


@pytest.mark.parametrize(
    "document", ["http: []\nupstream_oauth2: 5\n", "a: 1", "policy: [x]\nhttp: {listeners: 3}"]
)
def test_what_is_no_configuration_is_judged_all_the_same(judged, document):
    assert ("mas.passwords.enabled.pro", "warning") in judged(document)


@pytest.mark.parametrize("text", ["a: [", "", "- x"])
def test_what_cannot_be_read_ends_with_2(place, capsys, text):
    for name, content in (("homeserver.yaml", yaml.safe_dump(homeserver(place))), ("mas.yaml", text)):
        (place.directory / name).write_text(content)
    arguments = [str(place.directory / "homeserver.yaml"), "--mas", str(place.directory / "mas.yaml")]
    assert main(["check", *arguments]) == 2
    assert "mas.yaml" in capsys.readouterr().err


def test_the_draft_demands_both_kinds_of_login(place, capsys):
    def wrong(config, *more):
        config["modules"][0]["config"]["spec_version"] = "draft-1.15"
        path = place.directory / "homeserver.yaml"
        path.write_text(yaml.safe_dump(config))
        main(["check", str(path), *more, "--json"])
        lines = json.loads(capsys.readouterr().out)["results"]
        return [line["check"] for line in lines if line["verdict"] in ("violation", "warning")]

    assert wrong(sound(place.directory, Product.PRO, SpecVersion.DRAFT_1_15)) == [
        "matrix_authentication_service.oauth"
    ]
    config = homeserver(place)
    assert wrong(config) == ["matrix_authentication_service.enabled"]  # which nobody has looked at
    document, path = mas(place, config), place.directory / "mas.yaml"
    path.write_text(yaml.safe_dump(document))
    assert wrong(config, "--mas", str(path)) == []
    document["http"]["listeners"][0]["resources"].pop()
    path.write_text(yaml.safe_dump(document))
    assert wrong(config, "--mas", str(path)) == ["mas.login_apis"]
