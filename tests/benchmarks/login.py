"""What a login with an ID token costs: verification alone, and at a homeserver.

Verification alone: tokens of the central IDP (BP256R1), of another provider (ES256), and of a sectoral one
(ES256 in ECDH-ES), through the rules, against a library that decodes the same token, both in turns. The
library checks less: no strict base64 and JSON, no age, level of assurance, profession, KVNR or IK.

At a homeserver: logins to a real Synapse with synapse_tim.TiMessenger, in turns: with an ID token, with
nothing to check (an application service), and with a local password at Synapse's twelve rounds of bcrypt.
The difference of the first two is what the token costs, its being used once only included.
"""

import argparse
import datetime as dt
import json
import re
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Self

import attrs
import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from jwcrypto import jwe as other_jwe
from jwcrypto import jwk as other_jwk
from jwcrypto import jws as other_jws
from ratios import Comparison

from synapse_tim.admin.output import print_json, print_table
from synapse_tim.core.products import Product
from synapse_tim.federation.list import parse_payload
from synapse_tim.jose import jwe
from synapse_tim.jose.jwk import parse_key_set, to_jwk
from synapse_tim.jose.signed_token import SignatureRules, SignedToken
from synapse_tim.login.rules.claims import ClaimRules
from synapse_tim.login.rules.identity_provider import (
    DEFAULTS,
    AccountRules,
    IdentityProvider,
    Profile,
    ThisServer,
)
from synapse_tim.login.rules.insured import Insurer
from synapse_tim.testing import SynapseServer, TiSimulator, sign_token, wait_for

AUDIENCE, SERVER_NAME = "app", "benchmark.example"
LOGIN = "/_matrix/client/v3/login"
#: Tokens in one sample.
_TOKENS = 50
_LOG_INS = 10


@attrs.frozen
class Case:
    """One kind of token, and the two ways to verify it."""

    name: str
    library: str
    tokens: list[str]
    ours: Callable[[str], None]
    theirs: Callable[[str], object]


@attrs.frozen
class DatabaseUse:
    """Transactions, and statements in them."""

    transactions: Counter[str] = attrs.field(factory=Counter)  #: by name
    statements: float = 0.0

    @classmethod
    def of(cls, server: SynapseServer) -> Self:
        """Since the server was started."""
        named = re.compile(r'synapse_storage_transaction_time_count(?:_total)?\{.*desc="([^"]*)"')
        transactions: Counter[str] = Counter()
        statements = 0.0
        for metric, value in server.metrics().items():
            if found := named.match(metric):
                transactions[found[1]] += value
            elif metric.startswith("synapse_storage_query_time_count"):
                statements += value
        return cls(transactions, statements)

    def __add__(self, other: Self) -> Self:
        return attrs.evolve(
            self,
            transactions=self.transactions + other.transactions,
            statements=self.statements + other.statements,
        )

    def __sub__(self, other: Self) -> Self:
        return attrs.evolve(
            self,
            transactions=self.transactions - other.transactions,
            statements=self.statements - other.statements,
        )

    def __truediv__(self, number: int) -> Self:
        transactions = Counter({name: count / number for name, count in self.transactions.items()})
        return attrs.evolve(self, transactions=transactions, statements=self.statements / number)


def main() -> int:
    arguments = _arguments()
    now = dt.datetime.now(dt.UTC)
    with TiSimulator() as ti:
        alone = [_alone(case, arguments.rounds) for case in _cases(ti, now)]
        with tempfile.TemporaryDirectory() as directory:
            server = _server(ti, Path(directory))
            try:
                at_server, database, key_requests = _at_server(ti, server, arguments.rounds)
            finally:
                server.stop()
    _show(alone, at_server, database, key_requests, as_json=arguments.json)
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="Example: python tests/benchmarks/login.py --rounds 20",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--rounds", type=int, default=15, metavar="K", help="how many turns (default: 15)")
    parser.add_argument("--json", action="store_true", help="the value of every turn, too")
    arguments = parser.parse_args()
    if arguments.rounds < 2:
        parser.error("--rounds has to be at least 2")
    return arguments


# Verification alone ---------------------------------------------------------------------------------------


def _provider(profile: Profile, issuer: str, algorithm: str) -> IdentityProvider:
    defaults = DEFAULTS[profile]
    rules = ClaimRules(
        issuer=issuer,
        audience=AUDIENCE,
        max_age=dt.timedelta(hours=1),
        minimum_acr=defaults.minimum_acr,
        amr=defaults.amr,
        profession_claim=defaults.profession_claim,
        professions=defaults.professions or frozenset({"1.2.276.0.76.4.30"}),
    )
    assert defaults.localpart is not None
    return IdentityProvider(
        "provider",
        SignatureRules(frozenset({algorithm})),
        rules,
        AccountRules("sub", defaults.localpart),
    )


def _cases(ti: TiSimulator, now: dt.datetime) -> list[Case]:
    brainpool = ti.idp.signature_key.key.key
    nist, recipient = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    central = [ti.idp.mint("doctor", audience=AUDIENCE) for _ in range(_TOKENS)]
    claims = json.loads(jwt.utils.base64url_decode(central[0].split(".")[1]))
    es256 = [
        sign_token({**claims, "jti": str(n)}, nist, algorithm="ES256", header={"kid": "k"})
        for n in range(_TOKENS)
    ]
    own = jwe.DecryptionKey.of(recipient)
    nested = [ti.sectoral.mint("erika", audience=AUDIENCE, encrypt_to=own.public_jwk) for _ in range(_TOKENS)]
    public = {name: _public(key) for name, key in (("bp", brainpool), ("nist", nist))}
    sectoral = {"kid": ti.sectoral.signature_key.kid, **to_jwk(ti.sectoral.signature_key.key.public_key())}
    clinic = ThisServer(Product.PRO, Insurer(SERVER_NAME))
    insurer = ThisServer(Product.EPA, Insurer(SERVER_NAME))
    entry = {"domain": SERVER_NAME, "telematikID": "8", "isInsurance": True, "ik": ["109500969"]}
    members = parse_payload(json.dumps({"version": 1, "domainList": [entry]}).encode())

    def verifier(provider: IdentityProvider, key: dict, homeserver: ThisServer) -> Callable[[str], None]:
        keys = parse_key_set(json.dumps(key).encode())

        def verify(token: str) -> None:
            octets = token.encode()
            signed = SignedToken.parse(jwe.decrypt(octets, [own]) if jwe.is_encrypted(octets) else octets)
            signed.require(provider.signature)
            found = signed.verify(keys)
            provider.person(found, homeserver, members, now)
            provider.use(found, signed.digest)

        return verify

    idp = _provider(Profile.GEMATIK_IDP, ti.idp.issuer, "BP256R1")
    nist_rules = _provider(Profile.GEMATIK_IDP, ti.idp.issuer, "ES256")
    gesundheitsid = _provider(Profile.GESUNDHEITSID, ti.sectoral.issuer, "ES256")
    bp_key = other_jwk.JWK(**public["bp"])
    sectoral_key = other_jwk.JWK(**sectoral)
    private = other_jwk.JWK.from_pyca(recipient)

    def library_jws(token: str, key: other_jwk.JWK, algorithm: str) -> object:
        found = other_jws.JWS()
        found.allowed_algs = [algorithm]
        found.deserialize(token, key)
        return json.loads(found.payload)

    def library_nested(token: str) -> object:
        found = other_jwe.JWE(algs=["ECDH-ES", "A256GCM"])
        found.deserialize(token, private)
        return library_jws(found.payload.decode(), sectoral_key, "ES256")

    def pyjwt(token: str) -> object:
        return jwt.decode(token, nist.public_key(), algorithms=["ES256"], audience=AUDIENCE)

    kid = {"kid": ti.idp.signature_key.kid}
    return [
        Case(
            "BP256R1",
            "jwcrypto",
            central,
            verifier(idp, {**public["bp"], **kid}, clinic),
            lambda token: library_jws(token, bp_key, "BP256R1"),
        ),
        Case("ES256", "PyJWT", es256, verifier(nist_rules, {**public["nist"], "kid": "k"}, clinic), pyjwt),
        Case(
            "ES256 in ECDH-ES",
            "jwcrypto",
            nested,
            verifier(gesundheitsid, sectoral, insurer),
            library_nested,
        ),
    ]


def _public(key: ec.EllipticCurvePrivateKey) -> dict:
    return dict(to_jwk(key.public_key()))


def _alone(case: Case, rounds: int) -> Comparison:
    samples = {"ours": [], "theirs": []}
    for number in range(rounds + 1):
        for who in ("ours", "theirs") if number % 2 else ("theirs", "ours"):
            began = time.perf_counter()
            for token in case.tokens:
                getattr(case, who)(token)
            samples[who].append(len(case.tokens) / (time.perf_counter() - began))
    # The first turn is for warming up.
    return Comparison(
        case.name, case.library, "/s", None, samples["theirs"][1:], samples["ours"][1:], len(case.tokens)
    )


# At a homeserver ------------------------------------------------------------------------------------------


def _server(ti: TiSimulator, directory: Path) -> SynapseServer:
    provider = {
        "id": "idp",
        "profile": "gematik_idp",
        "issuer": ti.idp.issuer,
        "audience": AUDIENCE,
        "keys": {"discovery_url": ti.idp.discovery_url, "ca_certificates": str(ti.ca_file)},
        "professions": ["1.2.276.0.76.4.30"],
        "registration": True,
    }
    block = {
        "product": "pro",
        "spec_version": "1.2",
        "federation_list": ti.federation_list_config(),
        "login": {
            "permitted": ["id_token", "password", "application_service"],
            "providers": [provider],
        },
    }
    service = {
        "id": "as",
        "as_token": "as",
        "hs_token": "hs",
        "url": None,
        "sender_localpart": "as",
        "rate_limited": False,
        "namespaces": {"users": [{"regex": "@.*", "exclusive": False}]},
    }
    (directory / "as.yaml").write_text(json.dumps(service))
    server = SynapseServer(
        "benchmark",
        directory / "server",
        ti.world,
        modules=[{"module": "synapse_tim.TiMessenger", "config": block}],
        extra={
            "federation_domain_whitelist": [],
            "bcrypt_rounds": 12,
            "app_service_config_files": [str(directory / "as.yaml")],
        },
    )
    ti.add(server.server_name)
    server.start().wait()
    wait_for(lambda: server.metrics().get("synapse_tim_federation_list_version"), 30, "the list")
    return server


def _at_server(
    ti: TiSimulator, server: SynapseServer, rounds: int
) -> tuple[dict[str, list[list[float]]], dict[str, DatabaseUse], int]:
    """Seconds of each login, turn by turn; what each asks of the database; requests for keys."""
    server.register("user", password="password")
    identifier = {"type": "m.id.user", "user": "user"}
    ways = {
        "id_token": lambda: {
            "type": "org.synapse_tim.login.id_token",
            "token": ti.idp.mint("doctor", audience=AUDIENCE),
        },
        "application_service": lambda: {
            "type": "m.login.application_service",
            "identifier": identifier,
        },
        "password": lambda: {
            "type": "m.login.password",
            "identifier": identifier,
            "password": "password",
        },
    }
    seconds: dict[str, list[list[float]]] = {name: [] for name in ways}
    uses = dict.fromkeys(ways, DatabaseUse())
    with httpx.Client(base_url=server.client_url, trust_env=False, timeout=60) as client:
        for number in range(rounds + 1):
            names = list(ways) if number % 2 else list(reversed(ways))
            for name in names:
                bodies = [{**ways[name](), "device_id": "D"} for _ in range(_LOG_INS)]
                before = DatabaseUse.of(server)
                seconds[name].append([_one(client, body) for body in bodies])
                if number:
                    uses[name] += DatabaseUse.of(server) - before
    each = {name: use / (rounds * _LOG_INS) for name, use in uses.items()}
    return {name: turns[1:] for name, turns in seconds.items()}, each, ti.count("/idp/")


def _one(client: httpx.Client, body: dict) -> float:
    headers = {"Authorization": "Bearer as"} if body["type"] == "m.login.application_service" else {}
    began = time.perf_counter()
    client.post(LOGIN, json=body, headers=headers).raise_for_status()
    return time.perf_counter() - began


# What is printed ------------------------------------------------------------------------------------------


def _show(
    alone: list[Comparison],
    at_server: dict[str, list[list[float]]],
    database: dict[str, DatabaseUse],
    key_requests: int,
    *,
    as_json: bool,
) -> None:
    floor = [statistics.median(turn) for turn in at_server["application_service"]]
    token = [statistics.median(turn) for turn in at_server["id_token"]]
    shares = sorted((ours - bare) / ours for ours, bare in zip(token, floor, strict=True))
    share = Comparison("", "", "", None, [1.0] * len(shares), shares, _LOG_INS)
    verify = statistics.median(1 / rate for rate in alone[0].other)
    of_floor = verify / statistics.median(floor)
    if as_json:
        print_json(
            {
                "alone": {
                    each.load: {"ours": list(each.other), each.name: list(each.baseline)} for each in alone
                },
                "seconds": at_server,
                "database": {name: attrs.asdict(use) for name, use in database.items()},
                "share_of_the_token": shares,
                "verification_of_synapses_own_time": of_floor,
                "requests_for_keys": key_requests,
            }
        )
        return
    print_table(
        ("token", "library", "library, tokens/s", "ours, tokens/s", "ours to library", "95 % interval"),
        (
            (
                each.load,
                each.name,
                f"{statistics.median(each.baseline):.0f}",
                f"{statistics.median(each.other):.0f}",
                f"{each.ratio * 100:.0f} %",
                _interval(each),
            )
            for each in alone
        ),
        title="Verification alone, one thread; the library checks less",
    )
    print_table(
        ("login", "p50, ms", "p95, ms", "to application service", "transactions", "statements"),
        (
            (
                name,
                *_latencies(turns, floor),
                f"{sum(database[name].transactions.values()):.1f}",
                f"{database[name].statements:.1f}",
            )
            for name, turns in at_server.items()
        ),
        title="At a homeserver, one login after the other",
    )
    print(
        f"Of a login with an ID token {share.ratio * 100:.0f} % are the token ({_interval(share)} at 95 %); "
        f"verifying it takes {of_floor * 100:.1f} % of Synapse's own time (application service)."
    )
    print(f"The provider was asked {key_requests} times for discovery and keys, in all logins together.")


def _interval(comparison: Comparison) -> str:
    if comparison.interval is None:
        return "too few turns"
    low, high = comparison.interval
    return f"{low * 100:.0f} to {high * 100:.0f} %"


def _latencies(turns: list[list[float]], floor: list[float]) -> tuple[str, str, str]:
    every = [value for turn in turns for value in turn]
    medians = [statistics.median(turn) for turn in turns]
    compared = Comparison("", "", "", None, floor, medians, _LOG_INS)
    p95 = statistics.quantiles(every, n=20, method="inclusive")[-1]
    return f"{statistics.median(every) * 1000:.1f}", f"{p95 * 1000:.1f}", f"{compared.ratio * 100:.0f} %"


if __name__ == "__main__":
    sys.exit(main())
