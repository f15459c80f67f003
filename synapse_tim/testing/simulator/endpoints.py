"""The endpoints of the simulated TI: certificates, OCSP, the list, the login to the directory, providers."""

import base64
import datetime as dt
import secrets
import ssl
import threading
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import httpx
from cryptography.x509.ocsp import OCSPCertStatus, load_der_ocsp_response

from synapse_tim.testing import paths
from synapse_tim.testing.http import Answer, Request
from synapse_tim.testing.simulator.directory.lookups import DirectoryLookups
from synapse_tim.testing.simulator.directory.owners import DirectoryOwners
from synapse_tim.testing.simulator.directory.service import Directory
from synapse_tim.testing.simulator.faults import Faults
from synapse_tim.testing.simulator.idp.central import CentralIdp
from synapse_tim.testing.simulator.idp.provider import Provider
from synapse_tim.testing.simulator.pki.list_office import ALGORITHMS, ListOffice
from synapse_tim.testing.simulator.pki.world import Identity, TiWorld, asked_about, file_name, ocsp_answer

CLIENT_ID = "client"
CLIENT_SECRET = "secret"

_FIRST_TOKEN_SECONDS = 300
_SEARCH_SECONDS = 86400


class Endpoints:
    """Answers requests."""

    def __init__(
        self,
        world: TiWorld,
        directory: Directory,
        lookups: DirectoryLookups,
        owners: DirectoryOwners,
        faults: Faults,
        now: Callable[[], dt.datetime],
        idp: CentralIdp,
        *further_providers: Provider[Any],
    ) -> None:
        self._world = world
        self._directory = directory
        self._lookups = lookups
        self._owners = owners
        self._tls = ssl.create_default_context(cadata=world.tls_ca.pem.decode("ascii"))
        self._faults = faults
        self._now = now
        self._office = ListOffice(world, directory, now)
        self._tokens = _Tokens()
        self._idp = idp
        self._providers: tuple[Provider[Any], ...] = (idp, *further_providers)
        self._stranger: Identity | None = None

    def __call__(self, request: Request) -> Answer:
        """Answer one request."""
        parts = urlsplit(request.path)
        path = unquote(parts.path)
        every = parse_qs(parts.query, keep_blank_values=True)
        query = {name: values[-1] for name, values in every.items()}
        match request.method, path:
            case "GET", paths.ROOTS:
                return Answer(200, self._world.roots_json(), "application/json")
            case "GET", _ if path.startswith(paths.SUB_CA):
                return self._sub_ca(path.removeprefix(paths.SUB_CA))
            case "POST", paths.OCSP:
                return self._ocsp(request.body)
            case "GET", paths.OPERATOR_LIST:
                return self._list(query)
            case "POST", paths.TOKEN if request.secure:
                return self._first_token(request)
            case "GET", paths.AUTHENTICATE if request.secure:
                return self._second_token(request)
            case "GET", paths.DIRECTORY_LIST if request.secure:
                return self._directory_list(request, query)
            case "GET", _ if request.secure and self._lookups.serves(path):
                return self._look_up(request, path, every)
            case "GET", paths.TIM_AUTHENTICATE if request.secure:
                return self._search_token(request, query)
            case "GET", paths.OWNER_AUTHENTICATE if request.secure:
                return self._owner_token(request)
            case _ if request.secure and path.startswith(paths.OWNER):
                return self._owner(request, path.removeprefix(paths.OWNER), every)
            case _ if provider := self._provider(path):
                return provider(request)
            case _:
                return Answer.of_json({"error": "not found"}, 404)

    def _provider(self, path: str) -> Provider[Any] | None:
        """The identity provider that a path belongs to."""
        found = (provider for provider in self._providers if path.startswith(provider.prefix + "/"))
        return next(found, None)

    def _sub_ca(self, name: str) -> Answer:
        if name != file_name(self._world.sub_ca):
            return Answer(404)
        return Answer(200, self._world.sub_ca.der, "application/pkix-cert")

    def _list(self, query: dict[str, str]) -> Answer:
        algorithm = query.get("sigAlg", "BP256R1")
        if algorithm not in ALGORITHMS:
            return Answer.of_json({"error": "sigAlg"}, 400)
        has = int(query["version"]) if query.get("version", "").isdecimal() else -1
        current = has >= self._directory.version and not self._faults.demands_body
        headers = {"Age": str(self._faults.age)} if self._faults.age else {}
        if current or self._faults.always_204:
            return Answer(204, headers=headers)
        body = self._office.signed_list(algorithm, self._faults)
        return Answer(200, body, "application/octet-stream", headers)

    def _first_token(self, request: Request) -> Answer:
        credentials = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
        grant = parse_qs(request.body.decode("latin-1")).get("grant_type")
        if (
            self._faults.credentials_refused
            or request.headers.get("authorization") != f"Basic {credentials}"
            or grant != ["client_credentials"]
        ):
            return Answer.of_json({"error": "invalid_client"}, 401)
        token = self._tokens.new("provider", _FIRST_TOKEN_SECONDS)
        return _token_answer(token, _FIRST_TOKEN_SECONDS, scope="ti-provider")

    def _second_token(self, request: Request) -> Answer:
        if not self._tokens.accepts("provider", request):
            return Answer.of_json({"message": "unauthorized"}, 401)
        seconds = self._faults.token_lifetime
        return _token_answer(self._tokens.new("directory", seconds), seconds, client_id=CLIENT_ID)

    def _directory_list(self, request: Request, query: dict[str, str]) -> Answer:
        if self._faults.unauthorized_once:
            self._faults.unauthorized_once = False
            self._tokens.end_all()
        if not self._tokens.accepts("directory", request):
            return Answer.of_json({"message": "unauthorized"}, 401)
        return self._list(query)

    def _look_up(self, request: Request, path: str, query: dict[str, list[str]]) -> Answer:
        insured = path.startswith(paths.INSURED_SEARCH)
        search = not insured and path.startswith(paths.SEARCH)
        kinds = ["directory", *(["search"] if search else []), *(["insured search"] if insured else [])]
        accepted = any(self._tokens.accepts(kind, request) for kind in kinds)
        if not accepted or self._lookups.refuses(query):
            return Answer.of_json({"message": "unauthorized"}, 401)
        return self._lookups(path, query)

    def _search_token(self, request: Request, query: dict[str, str]) -> Answer:
        """For users, by an OpenID token that their homeserver knows (R4.25)."""
        server = query.get("mxId", "")
        rows = [each for each in self._directory.rows() if each["domain"] == server]
        if not rows or not self._knows(server, request.headers.get("x-matrix-openid-token", "")):
            return Answer.of_json({"message": "unauthorized"}, 401)
        kind = "insured search" if rows[0]["isInsurance"] else "search"
        return _token_answer(self._tokens.new(kind, _SEARCH_SECONDS), _SEARCH_SECONDS)

    def _knows(self, server: str, token: str) -> bool:
        url = f"https://{server}/_matrix/federation/v1/openid/userinfo"
        try:
            answer = httpx.get(url, params={"access_token": token}, verify=self._tls, trust_env=False)
            return answer.status_code == 200 and str(answer.json()["sub"]).endswith(f":{server}")
        except (httpx.HTTPError, ValueError, KeyError, TypeError):
            return False

    def _owner_token(self, request: Request) -> Answer:
        """For owners, by a token of their registration service (R4.26)."""
        owner = self._owners.owner_of(request.headers.get("authorization", "").removeprefix("Bearer "))
        if owner is None:
            return Answer.of_json({"message": "unauthorized"}, 401)
        return _token_answer(self._tokens.new(f"owner {owner}", _SEARCH_SECONDS), _SEARCH_SECONDS)

    def _owner(self, request: Request, path: str, query: dict[str, list[str]]) -> Answer:
        owner = self._tokens.kind_of(request, "owner ")
        if owner is None:
            return Answer.of_json({"message": "unauthorized"}, 401)
        return self._owners(owner, request, path, query)

    def _ocsp(self, question: bytes) -> Answer:
        world, faults = self._world, self._faults
        if faults.ocsp_unavailable:
            return Answer(500)
        of_sub_ca = [(signer, world.sub_ca) for signer in (*self._office.signers(), *self._idp.signers())]
        certificates = [*of_sub_ca, (world.sub_ca, world.sub_ca_root)]
        try:
            found = asked_about(question, certificates)
        except ValueError:
            return Answer(400)
        about_sub_ca = found is not None and found[0] is world.sub_ca
        revoked = faults.revoked_sub_ca if about_sub_ca else faults.revoked_signer
        responder = world.root_ocsp_signer if about_sub_ca else world.ocsp_signer
        if faults.ocsp_foreign:
            responder = self._foreign_responder()
        age = dt.timedelta(days=2) if faults.ocsp_stale else dt.timedelta()
        answer = ocsp_answer(
            question,
            certificates=certificates,
            responder=responder,
            revoked=[found[0].certificate.serial_number] if found and revoked else (),
            now=self._now() - age,
            status=OCSPCertStatus.UNKNOWN if faults.ocsp_unknown else None,
        )
        if faults.ocsp_tampered and found:
            answer = _tampered(answer)
        return Answer(200, answer, "application/ocsp-response")

    def _foreign_responder(self) -> Identity:
        """A responder of a CA with the same name as the genuine one, but another key."""
        if self._stranger is None:
            self._stranger = self._world.pki.ocsp_signer(self._world.look_alike_sub_ca())
        return self._stranger


class _Tokens:
    """Tokens that were handed out, and when they end."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ends: dict[tuple[str, str], float] = {}

    def new(self, kind: str, seconds: float) -> str:
        token = secrets.token_urlsafe(24)
        with self._lock:
            self._ends[kind, token] = time.monotonic() + seconds
        return token

    def accepts(self, kind: str, request: Request) -> bool:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        with self._lock:
            return scheme == "Bearer" and time.monotonic() < self._ends.get((kind, token), 0.0)

    def kind_of(self, request: Request, prefix: str) -> str | None:
        """What comes after the prefix in the kind of the token that a request has."""
        with self._lock:
            kinds = [kind for kind, _ in self._ends if kind.startswith(prefix)]
        found = (kind for kind in kinds if self.accepts(kind, request))
        return next((kind.removeprefix(prefix) for kind in found), None)

    def end_all(self) -> None:
        with self._lock:
            self._ends.clear()


def _tampered(answer: bytes) -> bytes:
    """The same answer with a bit of its signature turned."""
    signature = load_der_ocsp_response(answer).signature
    changed = signature[:-1] + bytes([signature[-1] ^ 1])
    return answer.replace(signature, changed)


def _token_answer(token: str, seconds: float, **members: str) -> Answer:
    return Answer.of_json({"access_token": token, "token_type": "Bearer", "expires_in": seconds, **members})
