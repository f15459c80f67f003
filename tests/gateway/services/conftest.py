"""A gateway without Synapse: its own code and that of the login, on a database in memory."""

import asyncio
import datetime as dt
import secrets
import time
from types import SimpleNamespace
from unittest.mock import Mock
from urllib.parse import parse_qs, urlsplit

import attrs
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from synapse_tim.core.products import Product
from synapse_tim.core.rate_limit import RequestRate
from synapse_tim.gateway.accounts import GatewayAccounts
from synapse_tim.gateway.clients import Client
from synapse_tim.gateway.logins import COOKIE, Logins
from synapse_tim.gateway.logout import GatewayLogout
from synapse_tim.gateway.oauth import OAuth
from synapse_tim.gateway.signing import SigningKeys
from synapse_tim.gateway.store import GatewayStore
from synapse_tim.gateway.tokens import Tokens
from synapse_tim.gateway.upstream import Authenticated, Begun
from synapse_tim.gateway.web import WebRequest
from synapse_tim.jose.jwk import KeySet, VerificationKey
from synapse_tim.login.accounts import Accounts
from synapse_tim.login.config import KeysConfig, ProviderConfig
from synapse_tim.login.logout import ProviderLogout
from synapse_tim.login.pending_accounts import NewAccounts
from synapse_tim.login.rules.identity_provider import ThisServer
from synapse_tim.login.rules.insured import Insurer
from synapse_tim.login.rules.nonces import NonceMint
from synapse_tim.login.store import LoginStore
from synapse_tim.login.token_login import LoginContext, Provider, TokenLogin, UsedTokens
from synapse_tim.testing.simulator.idp.oauth import challenge_of
from synapse_tim.transport.errors import TransportError, TransportReason

ISSUER = "https://tim.example/_synapse/client/synapse_tim/oidc"
DOCTOR = "1.2.276.0.76.4.30"
REDIRECT = "https://tim.example/_synapse/client/oidc/callback"
MAS_REDIRECT = "https://auth.example/upstream/callback/01"
SECRET = "s" * 40
URN = "urn:telematik:claims:"


def now():
    return dt.datetime.now(dt.UTC)


class Idp:
    """An identity provider: signs ID tokens for whoever ``person`` is.

    Attributes:
        person: their claims; laid over the usual ones, ``None`` takes one out.
        refusal: what ``begin`` or ``finish`` raise instead.
    """

    def __init__(self, name, profile="gematik_idp", **rules):
        self.id = self.name = name
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.person, self.refusal, self.asked = {}, None, None
        self.config = ProviderConfig(
            id=name,
            profile=profile,
            issuer=f"https://{name}.example",
            audience="synapse",
            keys=KeysConfig(jwks_url=f"https://{name}.example/jwks"),
            signature_algorithms=["ES256"],
            encrypted=False,
            **{"registration": True, "professions": [DOCTOR], **rules},
        )
        keys = KeySet((VerificationKey("k", "ES256", self.key.public_key()),))
        at_hand = SimpleNamespace(at_hand=lambda kid: keys, may_be_newer=lambda known: False)
        self.provider = Provider(self.config.provider(), at_hand, threads=None)

    async def begin(self, request):
        if self.refusal is not None:
            raise self.refusal
        self.asked = request
        return Begun(f"{self.config.issuer}/auth?state={request.state}", {"nonce": request.nonce})

    async def finish(self, answer, private):
        if self.refusal is not None:
            raise self.refusal
        return Authenticated(self.token(nonce=private["nonce"]))

    def token(self, algorithm="ES256", key=None, kind="JWT", **claims):
        seconds = int(time.time())
        said = {
            "iss": self.config.issuer,
            "aud": "synapse",
            "sub": "dora",
            "iat": seconds,
            "exp": seconds + 300,
            "auth_time": seconds,
            "sid": f"sid-{secrets.token_hex(4)}",
            "acr": "gematik-ehealth-loa-high",
            "amr": ["mfa", "sc", "pin"],
            "professionOID": DOCTOR,
            "idNummer": "1-HBA-1",
            "given_name": "Dora",
            "family_name": "Doktor",
            **claims,
            **self.person,
        }
        claims = {name: value for name, value in said.items() if value is not None}
        return jwt.encode(claims, self.key if key is None else key, algorithm, {"kid": "k", "typ": kind})


@attrs.define
class Users:
    """Accounts of a homeserver, in the tables that Synapse has."""

    database: object
    state: dict = attrs.field(factory=dict)  #: by user id: ``locked`` or ``deactivated``

    def __attrs_post_init__(self):
        self.database.execute("CREATE TABLE users (name TEXT PRIMARY KEY, password_hash TEXT)")
        self.database.execute(
            "CREATE TABLE user_external_ids (auth_provider TEXT, external_id TEXT, user_id TEXT,"
            " UNIQUE (auth_provider, external_id))"
        )

    def add(self, user_id, mark=None):
        self.database.execute("INSERT INTO users VALUES (?, ?)", (user_id, mark))

    async def register(self, name, mark, display_name):
        self.add(f"@{name}:hospital.example", mark)

    async def link(self, provider, subject, user_id):
        self.database.execute("INSERT INTO user_external_ids VALUES (?, ?, ?)", (provider, subject, user_id))

    async def by_external_id(self, provider, subject):
        found = self.database.execute(
            "SELECT user_id FROM user_external_ids WHERE auth_provider = ? AND external_id = ?",
            (provider, subject),
        ).fetchone()
        return None if found is None else found[0]

    async def is_locked(self, user_id):
        return self.state.get(user_id) == "locked"

    async def get(self, user_id):
        if not self.database.execute("SELECT 1 FROM users WHERE name = ?", (user_id,)).fetchone():
            return None
        return SimpleNamespace(is_deactivated=self.state.get(user_id) == "deactivated")

    @property
    def names(self):
        return [row[0] for row in self.database.execute("SELECT name FROM users ORDER BY name")]

    @property
    def links(self):
        rows = "SELECT auth_provider, user_id FROM user_external_ids ORDER BY 1"
        return self.database.execute(rows).fetchall()


class Gateway:
    """A gateway, and a browser at it.

    Attributes:
        told: the forms that relying parties got at the back channel.
        status: that they answer.
    """

    def __init__(self, api, database, *idps, delegated=False, product=Product.PRO, known_list=None):
        self.api, self.database, self.users = api, database, Users(database)
        self.idps = {idp.id: idp for idp in idps}
        api.record_user_external_id = self.users.link
        api.get_userinfo_by_id = self.users.get
        api.get_profile_for_user.side_effect = OSError  # names are the login's business
        store, new = LoginStore(api), NewAccounts(api)
        self.mint = NonceMint(b"secret")
        federation = None if known_list is None else SimpleNamespace(known_list=known_list)
        insurer = Insurer("hospital.example", frozenset())
        context = LoginContext(
            ThisServer(product, insurer), federation, UsedTokens(store, self.mint), True, {}
        )
        synapse = Mock(
            by_external_id=self.users.by_external_id,
            is_locked=self.users.is_locked,
            register=self.users.register,
        )
        providers = {idp.config.issuer: idp.provider for idp in idps}
        self.login = TokenLogin(providers, (), context, Accounts(api, synapse, new), now)
        self.keys = SigningKeys((ec.generate_private_key(ec.SECP256R1()),))
        self.told, self.status = [], 200
        self.party_key = ec.generate_private_key(ec.SECP256R1())
        self.clients = {
            "synapse": self._client("synapse", REDIRECT, SECRET),
            "mas": self._client("mas", MAS_REDIRECT, None),
        }
        self.oauth = OAuth(ISSUER, self.clients, self.keys)
        self.store = GatewayStore(api, postgresql=False)
        linked_as = None if delegated else {"synapse": "oidc-gateway", "mas": "oidc-other"}
        self.logins = Logins(
            self.oauth,
            self.idps,
            self.store,
            GatewayAccounts(api, self.login, self.store, linked_as),
            self.mint,
            RequestRate(0.001, 1000),
            now,
        )
        self.logout = GatewayLogout(api, ISSUER, self.clients, self.keys, self.store, now)
        self.tokens = Tokens(self.oauth, self.clients, self.store, store, self.logout.tell, now)
        self.provider_logout = ProviderLogout(self.login, store, Mock(), now, [self.logout.on_logout])
        api.delayed_background_call.side_effect = lambda *later, **named: None
        self.cookie = ""
        self.verifier = secrets.token_urlsafe(32)
        for table in (store, new, self.store):
            self.run(table.create_tables())

    def _client(self, name, redirect_uri, secret):
        keys = KeySet((VerificationKey(None, None, self.party_key.public_key()),))
        return Client(
            name,
            (redirect_uri,),
            secret,
            SimpleNamespace(at_hand=lambda kid: keys) if secret is None else None,
            SimpleNamespace(post=self._post),
            SimpleNamespace(run=self._run_in_thread),
            f"https://{name}.example/logout",
        )

    def _post(self, url, content, **options):
        self.told.append((url, parse_qs(content.decode())["logout_token"][0]))
        if self.status is None:
            raise TransportError(TransportReason.UNREACHABLE)
        return SimpleNamespace(status=self.status)

    async def _run_in_thread(self, function, *args):
        return function(*args)

    def run(self, coroutine):
        return asyncio.run(coroutine)

    def request(self, handler, parameters, method="GET", authorization=None, cookie=None, languages="en"):
        cookies = {COOKIE: self.cookie if cookie is None else cookie}
        web = WebRequest(method, parameters, cookies, authorization, languages, "192.0.2.1")
        answer = self.run(handler(web))
        if "Set-Cookie" in answer.headers:
            self.cookie = answer.headers["Set-Cookie"].partition("=")[2].partition(";")[0]
        return answer

    def parameters(self, **more):
        usual = {
            "response_type": "code",
            "client_id": "synapse",
            "redirect_uri": REDIRECT,
            "scope": "openid profile",
            "state": "rp-state",
            "nonce": secrets.token_urlsafe(8),
            "code_challenge": challenge_of(self.verifier),
            "code_challenge_method": "S256",
        }
        return {name: value for name, value in {**usual, **more}.items() if value is not None}

    def authorize(self, **more):
        return self.request(self.logins.authorize, self.parameters(**more))

    def begin(self, **more):
        """Go to the provider; returns the state."""
        return query(self.authorize(**more))["state"]

    def callback(self, state, cookie=None, **answer):
        parameters = {"code": "provider-code", **answer, "state": state}
        return self.request(self.logins.callback, parameters, cookie=cookie)

    def log_in(self, **more):
        """The parameters that the relying party gets."""
        return query(self.callback(self.begin(**more)))

    def redeem(self, authorization_code, **more):
        form = {
            "grant_type": "authorization_code",
            "code": authorization_code,
            "redirect_uri": REDIRECT,
            "code_verifier": self.verifier,
            **more,
        }
        return {name: value for name, value in form.items() if value is not None}

    def token(self, authorization_code, authorization=None, **more):
        if authorization is None:
            authorization = basic("synapse", SECRET)
        return self.request(
            self.tokens.token, self.redeem(authorization_code, **more), "POST", authorization or None
        )

    def user_info(self, token):
        return self.request(self.tokens.user_info, {}, authorization=f"Bearer {token}")

    def claims_of(self, id_token, audience="synapse"):
        key = jwt.PyJWK(self.keys.public_set["keys"][0])
        return jwt.decode(id_token, key, ["ES256"], audience=audience, issuer=ISSUER)


def basic(name, secret):
    from base64 import b64encode

    return "Basic " + b64encode(f"{name}:{secret}".encode()).decode()


def query(answer):
    """The parameters of the address that an answer leads to."""
    assert answer.status == 303, (answer.status, answer.body)
    return {name: values[0] for name, values in parse_qs(urlsplit(answer.headers["Location"]).query).items()}


@pytest.fixture
def idp():
    return Idp("idp")


@pytest.fixture
def gateway(api, database, idp):
    return Gateway(api, database, idp)


@pytest.fixture
def delegated(api, database, idp):
    """One whose relying party is Matrix Authentication Service."""
    return Gateway(api, database, idp, delegated=True)
