"""A clinic and an insurer whose users log in with identity providers, and what scenarios do over and over.

- ``clinic``: product pro; cards of the central IDP, tokens of a broker, and the broker by single sign-on.
- ``insurer``: product epa; encrypted tokens of a sectoral identity provider, and the broker as well.

With ``--with-workers`` the clinic consists of several processes, and users log in at a worker.
"""

import itertools
import secrets
import time

import attrs
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from synapse_tim.jose.jwe import DecryptionKey
from synapse_tim.testing import SynapseServer, TiSimulator, WorkerDeployment, loopback
from synapse_tim.testing.simulator.idp.cards import Card, InsuredPerson
from tests.support.world import error_text

CLIENT = "/_matrix/client/v3"
ADMIN = "/_synapse/admin"
OURS = "/_synapse/client/synapse_tim"
ID_TOKEN = "org.synapse_tim.login.id_token"
AUDIENCE = "messenger-app"
DOCTOR, PHARMACIST, HOSPITAL, COST_UNIT = (f"1.2.276.0.76.4.{n}" for n in (30, 32, 53, 59))
IK, OTHER_IK = "109500969", "109999994"
FORBIDDEN = (403, "M_FORBIDDEN")


def code(response):
    """Status and errcode of an answer."""
    try:
        return response.status_code, response.json().get("errcode")
    except ValueError:
        return response.status_code, response.text


def log_in_body(token, login_type=ID_TOKEN, **more):
    return {
        "type": login_type,
        "identifier": {"type": "m.id.user", "user": "whoever"},
        "token": token,
        **more,
    }


@attrs.frozen
class Keys:
    """Key files of a server."""

    directory: object

    def private(self, name, curve=None):
        """A private key in PEM; returns the path and the key."""
        key = ec.generate_private_key(curve or ec.SECP256R1())
        path = self.directory / f"{name}.pem"
        path.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return str(path), DecryptionKey.of(key)

    def secret(self, name):
        path = self.directory / name
        path.write_text(secrets.token_hex(32))
        return str(path)


def central(ti, **more):
    """The provider block of the central IDP."""
    return {
        "id": "idp-dienst",
        "profile": "gematik_idp",
        "issuer": ti.idp.issuer,
        "audience": AUDIENCE,
        "keys": {
            "discovery_url": ti.idp.discovery_url,
            "ca_certificates": str(ti.ca_file),
            "pause": "1s",
        },
        "professions": [DOCTOR, HOSPITAL],
        "registration": True,
        **more,
    }


def broker(ti, hash_key, **more):
    """The provider block of the broker, whose tokens have sessions."""
    return {
        "id": "broker",
        "profile": "oidc",
        "issuer": ti.broker.issuer,
        "audience": AUDIENCE,
        "keys": {"discovery_url": ti.broker.discovery_url, "pause": "1s"},
        "localpart": {"hash_of": ["sub"], "hash_key_path": hash_key},
        "registration": True,
        **more,
    }


def sectoral(ti, **more):
    """The provider block of a sectoral identity provider."""
    return {
        "id": "gesundheitsid",
        "profile": "gesundheitsid",
        "issuer": ti.sectoral.issuer,
        "audience": AUDIENCE,
        "keys": {"jwks_url": ti.sectoral.jwks_url, "ca_certificates": str(ti.ca_file), "pause": "1s"},
        "registration": True,
        **more,
    }


def single_sign_on(ti, idp_id, mapping, module="synapse_tim.OidcMapping", **more):
    """An entry of ``oidc_providers`` for the broker."""
    return {
        "idp_id": idp_id,
        "idp_name": "Broker",
        "issuer": ti.broker.issuer,
        "client_id": "synapse",
        "client_secret": "secret",
        "scopes": ["openid"],
        "skip_verification": True,  # no TLS on loopback
        "backchannel_logout_enabled": True,
        "user_mapping_provider": {"module": module, "config": mapping},
        **more,
    }


def module(ti, product, login, **more):
    """The entry of ``modules:``."""
    block = {
        "product": product,
        "spec_version": "1.2",
        "federation_list": ti.federation_list_config(),
        "login": login,
        **more,
    }
    return {"module": "synapse_tim.TiMessenger", "config": block}


#: Options for single sign-on.
SSO = {
    "federation_domain_whitelist": [],
    "sso": {"update_profile_information": True, "client_whitelist": ["http://localhost/whitelisted"]},
}


@attrs.define
class LoginWorld:
    """The servers, and the TI around them."""

    ti: TiSimulator
    clinic: SynapseServer
    insurer: SynapseServer
    current_key: DecryptionKey
    old_key: DecryptionKey
    _numbers: itertools.count = attrs.field(factory=itertools.count)

    def doctor(self, **more):
        """Somebody who has never been here."""
        number = next(self._numbers)
        card = {
            "id_nummer": f"1-HBA-TEST-ONLY-9{number:03}",
            "profession_oid": DOCTOR,
            "given_name": "Dora",
            "family_name": f"Doktor{number}",
        }
        return Card(**{**card, **more})

    def insured(self, **more):
        """An insured person who has never been here."""
        number = next(self._numbers)
        return InsuredPerson(
            **{
                "kvnr": f"X{number:09}",
                "ik": IK,
                "given_name": "Irma",
                "family_name": f"Insured{number}",
                **more,
            }
        )

    def card_token(self, card, **more):
        return self.ti.idp.mint(card, **{"audience": AUDIENCE, **more})

    def broker_token(self, person, **more):
        return self.ti.broker.mint(person, **{"audience": AUDIENCE, **more})

    def insured_token(self, person, **more):
        options = {"audience": AUDIENCE, "encrypt_to": self.current_key.public_jwk, **more}
        return self.ti.sectoral.mint(person, **options)


def where_clients_are(server):
    """The URL where users of a server log in."""
    return server.workers[-1].client_url if isinstance(server, WorkerDeployment) else server.client_url


def post_login(server, body, url=None):
    return loopback.post(f"{url or where_clients_are(server)}{CLIENT}/login", json=body)


def log_in(server, token, url=None, **more):
    """Log in with an ID token."""
    return post_login(server, log_in_body(token, **more), url)


def logged_in(server, token, url=None, **more):
    """Log in with an ID token that is in order; returns the session."""
    answer = log_in(server, token, url, **more)
    assert answer.status_code == 200, (answer.text, reasons(server))
    return answer.json()


def processes(server):
    return [server, *getattr(server, "workers", ())]


def reasons(server, name="login_tokens"):
    """How often tokens were accepted or refused, by the reason, in all processes of a server."""
    prefix, found = f'synapse_tim_{name}_total{{result="', {}
    for process in processes(server):
        for metric, value in process.metrics().items():
            if metric.startswith(prefix) and value:
                reason = metric.removeprefix(prefix).removesuffix('"}')
                found[reason] = found.get(reason, 0) + value
    return found


def refused(server, token, reason, **more):
    """Assert that a token is refused, and why."""
    before = reasons(server)
    answer = log_in(server, token, **more)
    assert code(answer) == FORBIDDEN, answer.text
    assert error_text(answer) == "Invalid username or password"
    after = reasons(server)
    assert {key: after[key] - before.get(key, 0) for key in after if after[key] != before.get(key, 0)} == {
        reason: 1
    }


def whoami(server, session, url=None):
    """Status and errcode of a session."""
    return code(
        loopback.get(
            f"{url or where_clients_are(server)}{CLIENT}/account/whoami",
            headers={"Authorization": f"Bearer {session['access_token']}"},
        )
    )


def profile(server, session):
    """The display name of the user of a session."""
    answer = loopback.get(
        f"{where_clients_are(server)}{CLIENT}/profile/{session['user_id']}",
        headers={"Authorization": f"Bearer {session['access_token']}"},
    )
    return answer.raise_for_status().json().get("displayname")


def seconds():
    return int(time.time())
