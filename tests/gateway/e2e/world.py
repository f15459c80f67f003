"""Servers whose users log in through the identity gateway, and browsers that do it step by step."""

import contextlib
import itertools
import re
import secrets
import ssl
from urllib.parse import parse_qs, urljoin, urlsplit

import attrs
import httpx

from synapse_tim.login.gateway_issuer import GATEWAY_PATH as GATEWAY
from synapse_tim.testing import SynapseServer, TiSimulator, loopback
from synapse_tim.testing.servers.single_sign_on import CALLBACK, through_gateway
from synapse_tim.testing.simulator.idp.cards import Card
from synapse_tim.testing.simulator.idp.oauth import challenge_of
from synapse_tim.testing.waiting import HANGING_SECONDS
from tests.login.e2e.world import CLIENT, DOCTOR, HOSPITAL, SSO, Keys, module, post_login

__all__ = ["CALLBACK", "CLIENT", "GATEWAY", "SSO", "Keys", "module"]

LANDING = "http://localhost/whitelisted"
COOKIE = "__Host-synapse_tim_gateway"
#: Something that stands in for a relying party: nobody listens there.
ELSEWHERE = "http://localhost:9/callback"
_MOST_STEPS = 20


def broker(ti, **more):
    """The provider block of the broker, as an upstream of the gateway."""
    return {
        "id": "broker",
        "profile": "gematik_idp",
        "issuer": ti.broker.issuer,
        "audience": "synapse",
        "signature_algorithms": ["RS256"],
        "keys": {"jwks_url": ti.broker.jwks_url, "pause": "1s"},
        "professions": [DOCTOR, HOSPITAL],
        "registration": True,
        **more,
    }


def upstream(ti, keys, provider="broker", name="Broker", **more):
    """The broker as one of ``upstreams``."""
    secret = keys.directory / "broker-secret"
    secret.write_text(ti.broker.client_secret)
    block = {"discovery_url": ti.broker.discovery_url, "client_secret_path": str(secret)}
    return {"provider": provider, "name": name, "oidc": {**block, **more}}


def synapse_client(server, keys, name="synapse"):
    """Synapse itself as one of ``clients``."""
    return {
        "client_id": name,
        "client_secret_path": keys.secret(f"{name}-secret"),
        "redirect_uris": [f"{server.federation_url}{CALLBACK}", ELSEWHERE],
        "backchannel_logout_uri": f"{server.client_url}/_synapse/client/oidc/backchannel_logout",
    }


def single_sign_on(server, client, **more):
    """The gateway as one of ``oidc_providers``."""
    return {**through_gateway(server, client["client_id"], client["client_secret_path"]), **more}


def upstream_of_service(server):
    """The gateway as the upstream provider of Matrix Authentication Service."""
    issuer, inside = f"{server.federation_url}{GATEWAY}", f"{server.client_url}{GATEWAY}"
    return {
        "id": "01HFVBY12TMNTYTBV8W921M5FA",
        "issuer": issuer,
        "discovery_mode": "disabled",
        "authorization_endpoint": f"{issuer}/authorize",
        "token_endpoint": f"{inside}/token",
        "jwks_uri": f"{inside}/jwks.json",
        "client_id": "mas",
        "token_endpoint_auth_method": "private_key_jwt",
        "token_endpoint_auth_signing_alg": "ES256",
        "id_token_signed_response_alg": "ES256",
        "scope": "openid profile",
        "pkce_method": "always",
        "on_backchannel_logout": "logout_all",
        "claims_imports": {
            "skip_confirmation": True,
            "localpart": {"action": "require", "template": "{{ user.localpart }}", "on_conflict": "fail"},
            "displayname": {"action": "force", "template": "{{ user.name }}"},
        },
    }


def gateway(keys, clients, upstreams, **more):
    """The block ``identity_gateway``."""
    path, _ = keys.private("gateway")
    return {"signing_keys": [path], "clients": clients, "upstreams": upstreams, **more}


@attrs.define
class Browser:
    """Somebody with a browser; goes step by step, and keeps cookies.

    Attributes:
        trail: where it was sent, in order.
    """

    ti: TiSimulator
    person: object = None
    trail: list = attrs.field(factory=list)
    client: httpx.Client = None

    def __attrs_post_init__(self):
        tls = ssl.create_default_context(cafile=self.ti.ca_file)
        self.client = httpx.Client(trust_env=False, verify=tls, timeout=HANGING_SECONDS)

    def get(self, url, **options):
        return self.client.get(url, **options)

    def visit(self, url, *stops, choose=None):
        """Follow redirects; returns the answer that leads to a stop, or that is none.

        Args:
            choose: the link that is followed on a page, by its text.
        """
        with self.known():
            for _ in range(_MOST_STEPS):
                answer = self.client.get(url)
                if answer.is_redirect:
                    url = urljoin(url, answer.headers["Location"])
                    self.trail.append(url)
                    if url.startswith(stops):
                        return answer
                elif choose is not None and (link := re.search(rf'href="([^"]+)">{choose}<', answer.text)):
                    url, choose = urljoin(str(answer.url), link[1].replace("&amp;", "&")), None
                else:
                    return answer
        raise AssertionError("the redirects lead nowhere")

    @contextlib.contextmanager
    def known(self):
        """Have the broker know the person, and let them in without asking."""
        ti = self.ti
        if self.person is None:
            yield
            return
        people = ti.idp.cards if isinstance(self.person, Card) else ti.sectoral.persons
        people["visitor"] = self.person
        ti.broker.preselected = "visitor"
        try:
            yield
        finally:
            ti.broker.preselected = None
            del people["visitor"]


def query_of(answer):
    """The parameters of the address that an answer leads to."""
    return {k: v[0] for k, v in parse_qs(urlsplit(answer.headers["Location"]).query).items()}


@attrs.define
class RelyingParty:
    """A relying party that does by hand what Synapse does, to see what it gets."""

    server: SynapseServer
    client_id: str = "synapse"
    secret: str = ""
    verifier: str = attrs.field(factory=lambda: secrets.token_urlsafe(32))

    @property
    def issuer(self):
        return f"{self.server.federation_url}{GATEWAY}"

    def parameters(self, **more):
        usual = {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": ELSEWHERE,
            "scope": "openid profile",
            "state": secrets.token_urlsafe(8),
            "nonce": secrets.token_urlsafe(8),
            "code_challenge": challenge_of(self.verifier),
            "code_challenge_method": "S256",
        }
        return {k: v for k, v in {**usual, **more}.items() if v is not None}

    def ask(self, **more):
        """The address of an authorization request; ``None`` leaves a parameter out."""
        return str(httpx.URL(f"{self.issuer}/authorize", params=self.parameters(**more)))

    def redeem(self, code, url=None, auth=None, **more):
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": ELSEWHERE,
            "code_verifier": self.verifier,
            **more,
        }
        form = {k: v for k, v in form.items() if v is not None}
        auth = (self.client_id, self.secret) if auth is None else auth
        return loopback.post(f"{url or self.server.client_url}{GATEWAY}/token", data=form, auth=auth or None)

    def user_info(self, token, url=None):
        headers = {"Authorization": f"Bearer {token}"}
        return loopback.get(f"{url or self.server.client_url}{GATEWAY}/userinfo", headers=headers)


_numbers = itertools.count()


def doctor(**more):
    """Somebody who has never been here."""
    number = next(_numbers)
    card = {
        "id_nummer": f"1-HBA-TEST-ONLY-8{number:03}",
        "profession_oid": DOCTOR,
        "given_name": "Dora",
        "family_name": f"Doktor{number}",
    }
    return Card(**{**card, **more})


def sso(server, idp="synapse"):
    """Where a client sends the browser of somebody who wants to log in."""
    return f"{server.federation_url}{CLIENT}/login/sso/redirect/oidc-{idp}?redirectUrl={LANDING}"


def session_of(server, answer):
    """The session that a login token in an address is worth."""
    token = query_of(answer)["loginToken"]
    return post_login(server, {"type": "m.login.token", "token": token}, server.client_url)
