"""A configuration that is right, for each product and generation, and a wrong one for every check."""

import copy
import datetime as dt
import json
from pathlib import Path

import attrs
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID
from signedjson.key import generate_signing_key, write_signing_keys

from synapse_tim.core.checks import CURRENT, LEGACY, VIOLATION, WARNING
from synapse_tim.core.products import Product, SpecVersion
from synapse_tim.testing import make_world

ROOT = Path(__file__).resolve().parents[2]
PRO, EPA = Product.PRO, Product.EPA
V1_1, V1_2 = SpecVersion.V1_1, SpecVersion.V1_2
GESUNDHEITSID = {
    "id": "idp",
    "profile": "gesundheitsid",
    "issuer": "https://idp.example.de",
    "audience": "https://messenger.example.de",
    "encrypted": False,
    "keys": {"jwks_url": "https://idp.example.de/jwks.json"},
}


def make_files(directory):
    """Everything that example_homeserver.yaml names."""
    world = make_world(marks=False)
    (directory / "registration-ca.pem").write_bytes(world.tls_ca.pem)
    (directory / "GEM.RCA8.der").write_bytes(world.roots[-1].der)
    log = (ROOT / "example_log.yaml").read_text().replace("/var/lib/synapse", str(directory))
    (directory / "log.yaml").write_text(log)
    key = directory / "signing.key"
    key.touch(mode=0o600)
    with key.open("w") as file:
        write_signing_keys(file, [generate_signing_key("a_check")])
    return world


def directory_block(directory):
    """What the legacy generation needs to know of the directory."""
    secret = directory / "vzd_secret"
    secret.touch(mode=0o600)
    secret.write_text("a secret")
    return {
        "url": "https://fhir-directory.example.de",
        "vzd_credentials": {
            "token_url": "https://auth.example.de/token",
            "authenticate_url": "https://fhir-directory.example.de/ti-provider-authenticate",
            "client_id": "our-client",
            "client_secret_path": str(secret),
        },
    }


def sound(directory, product, spec_version):
    """The example, for a product and a generation."""
    text = (ROOT / "example_homeserver.yaml").read_text()
    text = text.replace("/var/lib/synapse", str(directory)).replace("/etc/synapse", str(directory))
    config = yaml.safe_load(text)
    block = config["modules"][0]["config"]
    block |= {"product": product.value, "spec_version": spec_version.value}
    if spec_version.is_legacy:
        block.pop("permissions", None)
        block["directory"] = directory_block(directory)
    if product is EPA:
        config["limit_profile_requests_to_users_who_share_rooms"] = True
        config["user_directory"]["search_all_users"] = False
        config["password_config"] = {"enabled": False}
        block["login"] = {"providers": [copy.deepcopy(GESUNDHEITSID)]}
    return config


@attrs.define
class Place:
    """Where a wrong configuration may put files, and what it may make them of."""

    directory: Path
    world: object
    arguments: list = attrs.field(factory=list)

    def file(self, name, content, mode=0o600):
        path = self.directory / name
        path.touch(mode=0o600)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        path.chmod(mode)
        return str(path)

    def log(self, **changes):
        log = yaml.safe_load((self.directory.parent / "files" / "log.yaml").read_text())
        return self.file("log.yaml", json.dumps({**log, **changes}))

    def tls(self, config, *, key=None, fits=True, **wishes):
        """A TLS listener on loopback, and its certificate."""
        key = key or ec.generate_private_key(ec.SECP256R1())
        pem = certificate(key, self.world.tls_ca, **wishes)
        other = ec.generate_private_key(ec.SECP256R1())
        config["listeners"].append(listener(["federation"], tls=True, port=8448))
        config["tls_certificate_path"] = self.file("tls.pem", pem)
        config["tls_private_key_path"] = self.file("tls.key", private(key if fits else other))

    def worker(self, shared, name, **changes):
        """A worker that is right, and what is changed about it."""
        config = {
            "worker_app": "synapse.app.generic_worker",
            "worker_name": name,
            "worker_listeners": [{"port": 9003, "bind_addresses": ["127.0.0.1"], "type": "metrics"}],
            "worker_log_config": shared["log_config"],
        }
        path = self.file(f"{name}.yaml", yaml.safe_dump({**config, **changes}))
        self.arguments += ["--worker", path]


def private(key):
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def certificate(key, ca, *, days=(-1, 365), self_signed=False, hash_algorithm=None):
    now = dt.datetime.now(dt.UTC).replace(microsecond=0)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "messenger.example.de")])
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name if self_signed else ca.certificate.subject)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(now + dt.timedelta(days=days[0]))
        .not_valid_after(now + dt.timedelta(days=days[1]))
    )
    made = builder.sign(key if self_signed else ca.key, hash_algorithm or hashes.SHA256())
    return made.public_bytes(serialization.Encoding.PEM)


def listener(names, *, tls=False, port=8010, addresses=("127.0.0.1",), x_forwarded=None):
    return {
        "port": port,
        "bind_addresses": list(addresses),
        "type": "http",
        "tls": tls,
        "x_forwarded": not tls if x_forwarded is None else x_forwarded,
        "resources": [{"names": names}],
    }


def block(config):
    return config["modules"][0]["config"]


def put(path, value):
    """Sets one key of homeserver.yaml."""

    def change(config, place):
        _put(config, path, copy.deepcopy(value))

    return change


def put_block(path, value):
    """Sets one key of the block of the module."""

    def change(config, place):
        _put(block(config), path, copy.deepcopy(value))

    return change


def drop(path):
    def change(config, place):
        *parents, last = path.split(".")
        for name in parents:
            config = config[name]
        del config[last]

    return change


def _put(config, path, value):
    *parents, last = path.split(".")
    for name in parents:
        if not isinstance(config.get(name), dict):
            config[name] = {}
        config = config[name]
    config[last] = value


@attrs.frozen
class Wrong:
    """One wrong configuration.

    ``also`` are checks that cannot be right at the same time.
    """

    change: object
    products: frozenset = frozenset(Product)
    spec_versions: frozenset = frozenset(SpecVersion)
    verdict: object = None
    also: dict = attrs.field(factory=dict)
    of: object = None


def only(product, change, **more):
    return Wrong(change, products=frozenset({product}), **more)


def option(path, value):
    return [Wrong(put(path, value))]


def _preview(config, place):
    config["url_preview_enabled"] = True


def _anonymous_profiles(config, place):
    config["require_auth_for_profile_requests"] = False
    config["limit_profile_requests_to_users_who_share_rooms"] = False


def _missing_part(config, place):
    module = config["modules"][0]
    whole = module["config"]
    common = {key: whole[key] for key in ("product", "spec_version")}
    trust = whole["federation_list"]["trust"]
    names = {
        "FederationAllowList": {"federation_list": whole["federation_list"]},
        **(
            {"Directory": {"directory": whole["directory"]}, "ContactManagement": {}}
            if "directory" in whole
            else {}
        ),
        "InvitePolicy": {},
        "RoomPolicy": {},
        "ClientApiPolicy": {},
        "LoginPolicy": {"login": {"trust": trust, **whole["login"]}},
        "RoomCleanup": {},
        "InformationServices": {"information": whole["information"]},
    }
    config["modules"] = [
        {"module": f"synapse_tim.{name}", "config": {**common, **more}} for name, more in names.items()
    ]


def _wrong_order(config, place):
    _missing_part(config, place)
    whole = block(config)
    common = {key: whole[key] for key in ("product", "spec_version")}
    config["modules"].insert(0, {"module": "synapse_tim.EventPolicy", "config": common})
    names = [each["module"] for each in config["modules"]]
    late = names.index("synapse_tim.InvitePolicy")  # what it needs comes after it
    config["modules"][late - 1 : late + 1] = reversed(config["modules"][late - 1 : late + 1])


def _twice(config, place):
    common = {key: block(config)[key] for key in ("product", "spec_version")}
    config["modules"].append({"module": "synapse_tim.RoomPolicy", "config": common})


def _foreign(config, place):
    config["modules"].append({"module": "not_installed_anywhere.Module", "config": {"secret": "x"}})


def _unreadable(config, place):
    config["log_config"] = str(place.directory / "nothing" / "log.yaml")


def _readable_key(config, place):
    content = (place.directory.parent / "files" / "signing.key").read_text()
    config["signing_key_path"] = place.file("signing.key", content, 0o640)


def _readable_module_secret(config, place):
    block(config)["federation_list"]["vzd_credentials"] = {
        "token_url": "https://auth.example.de/token",
        "authenticate_url": "https://directory.example.de/authenticate",
        "client_id": "us",
        "client_secret_path": place.file("secret", "a secret", 0o644),
    }


def _writable_root(config, place):
    root = place.file("root.der", place.world.roots[-1].der, 0o666)
    block(config)["federation_list"]["trust"]["pinned_roots"] = [root]


def _inline(key, value):
    def change(config, place):
        config[key] = value

    return change


def _log(**changes):
    def change(config, place):
        config["log_config"] = place.log(**changes)

    return change


def _with_single_sign_on(**changes):
    def change(config, place):
        key = place.file("hash_key", "0123456789" * 4)
        config["log_config"] = place.log(**changes)
        config["sso"] = {"update_profile_information": True}
        config["oidc_providers"] = [
            {
                "idp_id": "broker",
                "idp_name": "Broker",
                "issuer": "https://broker.example.de",
                "client_id": "synapse",
                "client_secret_path": place.file("secret", "secret"),
                "user_mapping_provider": {
                    "module": "synapse_tim.OidcMapping",
                    "config": {
                        "profile": "gesundheitsid" if block(config)["product"] == "epa" else "oidc",
                        "localpart": {"hash_of": ["sub"], "hash_key_path": key},
                    },
                },
            }
        ]

    return change


def _root(level):
    return {"level": level, "handlers": ["file"]}


def _tls(**wishes):
    def change(config, place):
        chosen = {name: value() if callable(value) else value for name, value in wishes.items()}
        place.tls(config, **chosen)

    return change


def _rsa(bits):
    return lambda: rsa.generate_private_key(65537, bits)


def _postgres(**arguments):
    return put("database", {"name": "psycopg2", "args": {"dbname": "synapse", **arguments}})


def _listeners(*added):
    def change(config, place):
        config["listeners"] += copy.deepcopy(list(added))

    return change


def _public_tls(**more):
    def change(config, place):
        place.tls(config)
        config["listeners"][-1].update(copy.deepcopy(more))

    return change


def _first(**more):
    def change(config, place):
        config["listeners"][0].update(copy.deepcopy(more))

    return change


def _no_federation(config, place):
    config["listeners"][0]["resources"] = [{"names": ["client"]}]


def _no_metrics_listener(config, place):
    config["listeners"] = config["listeners"][:1]


def _background_nowhere(config, place):
    config["run_background_tasks_on"] = "worker2"
    config["instance_map"] = {"main": {"host": "127.0.0.1", "port": 9093}}
    place.worker(config, "worker1")


def _custom_ca(config, place):
    config["federation_custom_ca_list"] = [place.file("ca.pem", place.world.tls_ca.pem)]


def _instance_map(config, place):
    config["instance_map"] = {"worker1": {"host": "10.0.0.7", "port": 9000}}


def _no_providers(config, place):
    block(config)["login"] = {}


def _mas(config, place):
    for key in ("refresh_token_lifetime", "nonrefreshable_access_token_lifetime"):
        del config[key]
    config["password_config"] = {"enabled": False}
    secret = place.file("mas_secret", "a secret")
    config["matrix_authentication_service"] = {"enabled": True, "secret_path": secret}


EVERYWHERE = ["0.0.0.0"]
MINUTES = 60
MAIL = {"notif_from": "Messenger <messenger@example.de>", "smtp_host": "mail.example.de"}

#: By the name of the check.
WRONG = {
    "start-up": [
        Wrong(put("server_name", "no name")),
        Wrong(drop("server_name")),
        Wrong(put_block("federation_list.max_age", "1s")),
        Wrong(put_block("federation_list.unknown", 1)),
        Wrong(put("modules", [{"module": "synapse_tim.Nothing"}]), also={"modules.parts": VIOLATION}),
        Wrong(put("database", {"name": "oracle"})),
        Wrong(put("user_ips_max_age", "for ever")),
        Wrong(put("limit_remote_rooms", {"complexity": "high"})),
        Wrong(put("media_retention", "for ever")),
        Wrong(put("listeners", {"port": 8008})),
        Wrong(drop("report_stats")),
        Wrong(put_block("login.max_session_lifetime", "1w")),
        only(PRO, put_block("login.break_glass_administrators", ["@root:elsewhere.example"])),
        Wrong(lambda config, place: config.update(log_config=place.file("log.yaml", "- a list"))),
    ],
    "configuration": [
        Wrong(lambda config, place: place.arguments.append(place.file("empty.yaml", ""))),
        Wrong(lambda config, place: place.arguments.append(place.file("list.yaml", "- 1"))),
        Wrong(lambda config, place: place.arguments.append(place.file("twice.yaml", "a: 1\na: 2\n"))),
    ],
    "modules.parts": [Wrong(put("modules", [])), Wrong(_missing_part)],
    "modules.order": [Wrong(_wrong_order), Wrong(_twice)],
    "modules.others": [Wrong(_foreign)],
    "login": [
        only(EPA, _no_providers),
        only(PRO, put_block("login", {"permitted": ["id_token"]})),
        only(PRO, put("password_config.enabled", False)),
    ],
    "federation_list.refresh_interval": [
        Wrong(put_block("federation_list.refresh_interval", "2h"), verdict=WARNING),
        Wrong(put_block("federation_list.refresh_interval", "25h")),
    ],
    "federation_list.max_age": [Wrong(put_block("federation_list.max_age", "73h"))],
    "federation_list.on_stale": [Wrong(put_block("federation_list.on_stale", "keep"))],
    "trust.allow_test_certificates": [
        Wrong(put_block("federation_list.trust.allow_test_certificates", True)),
        Wrong(
            put_block(
                "login.trust", {"pinned_roots": ["0" * 64], "allow_test_certificates": True, "ocsp": "off"}
            ),
            also={"trust.ocsp": VIOLATION},
        ),
    ],
    "trust.ocsp": [
        Wrong(put_block("federation_list.trust.ocsp", "off")),
        Wrong(put_block("federation_list.trust.ocsp", "soft"), verdict=WARNING),
    ],
    "rooms.versions": [Wrong(put_block("rooms", {"versions": ["9", "10", "11"]}))],
    "rooms.default_version": [
        Wrong(put_block("rooms", {"default_version": "9"}), spec_versions=CURRENT),
        Wrong(put_block("rooms", {"default_version": "10"}), spec_versions=LEGACY),
    ],
    "rooms.unencrypted_remote": [only(EPA, put_block("rooms", {"unencrypted_remote": "allow"}))],
    "rooms.public": [only(PRO, put_block("rooms", {"public": "never"}))],
    "rooms.world_readable": [only(PRO, put_block("rooms", {"world_readable": "never"}))],
    "invites.insured": [only(PRO, put_block("invites", {"insured": "refuse"}))],
    "invites.outgoing": [
        Wrong(put_block("invites", {"outgoing": "refuse"})),
        Wrong(put_block("invites", {"outgoing": {"members_of": ["a.example"]}})),
    ],
    "invites.into_direct_chats": [Wrong(put_block("invites", {"into_direct_chats": "refuse"}))],
    "events.require_encryption": [only(EPA, put_block("events", {"require_encryption": False}))],
    "events.single_emoji_reactions": [
        Wrong(
            put_block("events", {"single_emoji_reactions": False}),
            spec_versions=frozenset({V1_2}),
            verdict=WARNING,
        ),
        Wrong(put_block("events", {"single_emoji_reactions": False}), spec_versions=frozenset({V1_1})),
    ],
    "events.threads": [Wrong(put_block("events", {"threads": True}))],
    "events.redaction_window": [
        Wrong(put_block("events", {"redaction_window": "25h"})),
        Wrong(put_block("events", {"redaction_window": "off"})),
    ],
    "cleanup.orphaned_rooms": [
        Wrong(put_block("cleanup", {"orphaned_rooms": "off"})),
        Wrong(put_block("cleanup", {"orphaned_rooms": "15d"}), verdict=WARNING),
    ],
    "cleanup.insured_only_rooms": [Wrong(put_block("cleanup", {"insured_only_rooms": "off"}))],
    "cleanup.dry_run": [Wrong(put_block("cleanup", {"dry_run": True}))],
    "information.support": [Wrong(put_block("information", {}))],
    "login.permitted": [
        only(PRO, put_block("login.permitted", ["password", "id_token"])),
        only(PRO, put_block("login.permitted", ["jwt", "id_token"])),
    ],
    "federation_domain_whitelist": [
        Wrong(drop("federation_domain_whitelist")),
        *option("federation_domain_whitelist", ["friend.example"]),
    ],
    "allow_public_rooms_over_federation": option("allow_public_rooms_over_federation", True),
    "allow_public_rooms_without_auth": option("allow_public_rooms_without_auth", True),
    "room_list_publication_rules": [
        *option("room_list_publication_rules", [{"action": "deny"}]),
        Wrong(drop("room_list_publication_rules")),
    ],
    "require_auth_for_profile_requests": [
        only(PRO, put("require_auth_for_profile_requests", False)),
        # Newer releases of Synapse refuse the one without the other.
        only(
            EPA,
            _anonymous_profiles,
            also={"limit_profile_requests_to_users_who_share_rooms": VIOLATION},
        ),
    ],
    "limit_profile_requests_to_users_who_share_rooms": option(
        "limit_profile_requests_to_users_who_share_rooms", False
    ),
    "user_directory.search_all_users.epa": option("user_directory.search_all_users", True),
    "user_directory.search_all_users.pro": [
        *option("user_directory.search_all_users", False),
        Wrong(drop("user_directory")),
    ],
    "experimental_features.msc3720_enabled": option("experimental_features.msc3720_enabled", True),
    "url_preview_enabled": [Wrong(_preview)],
    "enable_registration": [
        Wrong(
            lambda config, place: config.update(
                enable_registration=True, enable_registration_without_verification=True
            )
        ),
        Wrong(put("enable_registration", True), also={"start-up": VIOLATION}),
    ],
    "auto_join_rooms": option("auto_join_rooms", ["#welcome:messenger.example.de"]),
    "allow_guest_access": option("allow_guest_access", True),
    "enable_set_displayname": [
        *option("enable_set_displayname", True),
        Wrong(drop("enable_set_displayname")),
    ],
    "allow_per_room_profiles": option("allow_per_room_profiles", True),
    "enable_3pid_changes": option("enable_3pid_changes", True),
    "login_via_existing_session.enabled": option("login_via_existing_session.enabled", True),
    "enable_authenticated_media": option("enable_authenticated_media", True),
    "refreshable_access_token_lifetime": option("refreshable_access_token_lifetime", None),
    "refresh_token_lifetime": [
        *option("refresh_token_lifetime", "27w"),
        Wrong(drop("refresh_token_lifetime")),
    ],
    "nonrefreshable_access_token_lifetime": option("nonrefreshable_access_token_lifetime", None),
    "password_config.enabled": option("password_config.enabled", True),
    "jwt_config": option("jwt_config", {"enabled": True, "secret": "a secret of JWT", "algorithm": "HS256"}),
    "cas_config": option("cas_config", {"enabled": True, "server_url": "https://cas.example.de"}),
    "saml2_config": [
        Wrong(
            put(
                "saml2_config",
                {"sp_config": {"metadata": {}}, "grandfathered_mxid_source_attribute": ""},
            )
        ),
        Wrong(put("saml2_config", {"sp_config": {"metadata": {}}}), also={"start-up": VIOLATION}),
    ],
    "default_room_version": [*option("default_room_version", "12"), Wrong(drop("default_room_version"))],
    "trusted_key_servers": [
        Wrong(drop("trusted_key_servers")),
        *option("trusted_key_servers", [{"server_name": "matrix.org"}]),
    ],
    "enable_search": option("enable_search", False),
    "user_directory.enabled": option("user_directory.enabled", False),
    "enable_room_list_search": option("enable_room_list_search", False),
    "experimental_features.msc3814_enabled": [Wrong(drop("experimental_features"))],
    "experimental_features.msc2815_enabled": option("experimental_features.msc2815_enabled", True),
    "matrix_authentication_service.enabled": [Wrong(_mas)],
    "allow_device_name_lookup_over_federation": option("allow_device_name_lookup_over_federation", True),
    "default_identity_server": option("default_identity_server", "https://matrix.org"),
    "account_threepid_delegates.msisdn": option("account_threepid_delegates.msisdn", "https://vector.im"),
    "federation_whitelist_endpoint_enabled": option("federation_whitelist_endpoint_enabled", True),
    "media_retention.local_media_lifetime": [Wrong(drop("media_retention.local_media_lifetime"))],
    "media_retention.remote_media_lifetime": [Wrong(drop("media_retention.remote_media_lifetime"))],
    "retention.enabled": option("retention.enabled", True),
    "forgotten_room_retention_period": [
        *option("forgotten_room_retention_period", "8d"),
        Wrong(drop("forgotten_room_retention_period")),
    ],
    "forget_rooms_on_leave": option("forget_rooms_on_leave", True),
    "redaction_retention_period": [
        *option("redaction_retention_period", None),
        *option("redaction_retention_period", "8d"),
    ],
    "user_ips_max_age": [*option("user_ips_max_age", None), *option("user_ips_max_age", "29d")],
    "listeners.tls": [
        Wrong(_first(bind_addresses=EVERYWHERE)),
        Wrong(_first(bind_addresses=["10.1.2.3"])),
        Wrong(_first(bind_addresses=[])),
        Wrong(_listeners(listener(["replication"], addresses=["10.1.2.3"]))),
    ],
    "listeners.admin_api": [
        Wrong(_public_tls(bind_addresses=["8.8.8.8"], resources=[{"names": ["client"]}])),
    ],
    "listeners.replication": [
        Wrong(_public_tls(bind_addresses=EVERYWHERE, resources=[{"names": ["replication"]}])),
        Wrong(
            lambda config, place: (
                _public_tls(bind_addresses=EVERYWHERE, resources=[{"names": ["replication"]}])(config, place),
                config.update(worker_replication_secret_path=place.file("replication", "a secret")),
            ),
            verdict=WARNING,
        ),
    ],
    "listeners.manhole": [
        Wrong(_listeners({"port": 9001, "bind_addresses": EVERYWHERE, "type": "manhole"})),
    ],
    "listeners.metrics_address": [
        Wrong(_listeners({"port": 9002, "bind_addresses": EVERYWHERE, "type": "metrics"})),
        Wrong(_listeners({"port": 9002, "type": "metrics"})),
    ],
    "listeners.metrics": [Wrong(_no_metrics_listener), Wrong(put("enable_metrics", False))],
    "listeners.x_forwarded": [Wrong(_first(x_forwarded=False))],
    "listeners.x_forwarded_public": [Wrong(_public_tls(bind_addresses=EVERYWHERE, x_forwarded=True))],
    "listeners.federation": [Wrong(_no_federation)],
    "run_background_tasks_on": [
        Wrong(put("run_background_tasks_on", "worker2"), verdict=WARNING),
        Wrong(_background_nowhere),
    ],
    "federation_client_minimum_tls_version": [
        Wrong(drop("federation_client_minimum_tls_version")),
        *option("federation_client_minimum_tls_version", 1.1),
    ],
    "federation_verify_certificates": option("federation_verify_certificates", False),
    "federation_certificate_verification_whitelist": option(
        "federation_certificate_verification_whitelist", ["*.example.de"]
    ),
    "use_insecure_ssl_client_just_for_testing_do_not_use": option(
        "use_insecure_ssl_client_just_for_testing_do_not_use", True
    ),
    "federation_custom_ca_list": [Wrong(_custom_ca)],
    "tls_certificate_path.validity": [
        Wrong(_tls(days=(-20, -10))),
        Wrong(_tls(days=(5, 100))),
        Wrong(_tls(days=(-20, 10)), verdict=WARNING),
    ],
    "tls_certificate_path.key": [
        Wrong(_tls(key=_rsa(1024))),
        Wrong(_tls(key=_rsa(2048)), verdict=WARNING),
        Wrong(_tls(key=lambda: ec.generate_private_key(ec.SECP521R1()))),
    ],
    "tls_certificate_path.signature": [Wrong(_tls(hash_algorithm=hashes.SHA224()))],
    "tls_certificate_path.issuer": [Wrong(_tls(self_signed=True))],
    "tls_private_key_path": [Wrong(_tls(fits=False))],
    "public_baseurl": option("public_baseurl", "http://messenger.example.de/"),
    "connections": [
        Wrong(_postgres(host="database.example.de")),
        Wrong(_postgres(host="10.0.0.5", sslmode="prefer")),
        Wrong(_postgres(host="localhost", hostaddr="10.0.0.5")),
        Wrong(_postgres(host="/run/postgresql,database.example.de")),
        Wrong(_postgres(dsn="host=database.example.de sslmode=disable")),
        Wrong(_postgres(dsn="postgresql://synapse:secret@database.example.de/synapse")),
        Wrong(_postgres(dsn="no dsn at all")),
        Wrong(_postgres(service="synapse")),
        Wrong(put("redis", {"enabled": True, "host": "redis.example.de"})),
        Wrong(put("email", MAIL)),
        Wrong(_instance_map),
    ],
    "log_config.usable": [
        Wrong(_log(version=2)),
        Wrong(_log(root={"level": "LOUD", "handlers": ["file"]})),
        Wrong(_log(handlers="file")),
    ],
    "log_config.disable_existing_loggers": [Wrong(_log(disable_existing_loggers=True))],
    "log_config.synapse_tim": [
        Wrong(_log(loggers={"synapse_tim": {"level": "ERROR"}})),
        Wrong(_log(loggers={"synapse_tim": {"level": "CRITICAL", "propagate": False}})),
    ],
    "log_config.debug": [
        Wrong(_log(root=_root("DEBUG"))),
        Wrong(_log(loggers={"synapse.storage.SQL": {"level": "DEBUG"}})),
        Wrong(_log(loggers={"synapse_tim.login": {"level": "DEBUG"}})),
        Wrong(_log(loggers={"": {"level": "NOTSET", "handlers": ["file"]}}, root={})),
    ],
    "log_config.synapse": [
        Wrong(_log(root=_root("INFO"))),
        Wrong(_log(loggers={"synapse.access": {"level": "INFO"}})),
        Wrong(drop("log_config")),
    ],
    "log_config.single_sign_on": [
        Wrong(_with_single_sign_on(loggers={})),
        Wrong(_with_single_sign_on(loggers={"synapse.handlers.oidc": {"level": "ERROR"}})),
        Wrong(
            _with_single_sign_on(
                root=_root("INFO"),
                loggers={
                    "synapse": {"level": "WARNING"},
                    "synapse.handlers.oidc": {"level": "CRITICAL"},
                    "synapse.handlers.sso": {"level": "INFO"},
                },
            ),
            also={"log_config.synapse": WARNING},
        ),
    ],
    "log_config.rotation": [
        Wrong(_log(handlers={"file": {"class": "logging.FileHandler", "filename": "x.log"}})),
        Wrong(
            _log(handlers={"file": {"class": "logging.handlers.RotatingFileHandler", "filename": "x.log"}})
        ),
        Wrong(
            _log(
                handlers={"file": {"class": "logging.handlers.TimedRotatingFileHandler", "filename": "x.log"}}
            )
        ),
    ],
    "push.include_content": [Wrong(drop("push")), *option("push.include_content", True)],
    "email.enable_notifs": option(
        "email", {**MAIL, "enable_notifs": True, "require_transport_security": True}
    ),
    "report_stats": option("report_stats", True),
    "sentry": option("sentry", {"dsn": "https://key@sentry.example.de/1"}),
    "opentracing.enabled": option("opentracing.enabled", True),
    "secrets.inline": [
        Wrong(_inline("registration_shared_secret", "inline secret")),
        Wrong(_inline("redis", {"enabled": True, "password": "inline secret"})),
    ],
    "secrets.permissions": [Wrong(_readable_key), Wrong(_readable_module_secret)],
    "files.permissions": [Wrong(_writable_root)],
    "files.readable": [
        Wrong(_unreadable),
        Wrong(put("macaroon_secret_key_path", "/nothing/here")),
        Wrong(put_block("federation_list.ca_certificates", "/nothing/here")),
        Wrong(put_block("federation_list.trust.pinned_roots", ["/nothing/here"])),
    ],
}
