"""The central IDP-Dienst as an upstream, against the simulated one."""

from urllib.parse import parse_qs, urlsplit

import pytest

from synapse_tim.gateway.upstream import UpstreamError
from synapse_tim.gateway.upstream.central import CentralUpstream
from synapse_tim.gateway.upstream.config import CentralConfig
from synapse_tim.jose.signed_token import SignedToken
from synapse_tim.login.provider_keys import SignedDiscovery
from synapse_tim.pki.certificate_source import DownloadServer
from synapse_tim.pki.ocsp_client import OcspClient
from synapse_tim.pki.revocation import OcspMode
from synapse_tim.pki.signer_path import ROLE_IDPD
from synapse_tim.pki.trust_store import TrustStore
from synapse_tim.transport.fetcher import Fetcher, Response
from synapse_tim.transport.tls import client_context
from tests.gateway.services.upstream.providers import REDIRECT, REQUEST, Inline, browse, run


class Watched:
    """A fetcher that keeps what is sent, and has another answer than the server for some addresses."""

    def __init__(self, fetcher):
        self.fetcher, self.sent, self.answers = fetcher, [], {}

    def get(self, url, **options):
        if url in self.answers:
            return self.answers[url]
        return self.fetcher.get(url, **options)

    def post(self, url, **options):
        self.sent.append(options)
        return self.answers.get(url) or self.fetcher.post(url, **options)


@pytest.fixture
def fetcher(ti):
    fetcher = Fetcher(client_context(ti.ca_file), silence=3)
    yield Watched(fetcher)
    fetcher.close()


@pytest.fixture
def make(ti, fetcher):
    trust = TrustStore(
        DownloadServer(fetcher.fetcher, ti.ca_base_url), ti.pins, allow_test=True, role=ROLE_IDPD
    )
    ocsp = OcspClient(OcspMode.HARD, fetcher.fetcher, ti.ocsp_url)
    source = SignedDiscovery(fetcher, ti.idp.discovery_url, ti.idp.issuer, ti.now, trust, ocsp)

    def make(clock=lambda: 0.0, **how):
        config = CentralConfig.model_validate({"authenticator": False, **how})
        return CentralUpstream("idp", "Card", "our-client", config, source, Inline(), clock)

    return make


def refused(reason, coroutine, detail=""):
    with pytest.raises(UpstreamError) as caught:
        run(coroutine)
    assert caught.value.reason == reason, caught.value
    assert detail in caught.value.detail


def claims_of(authenticated):
    return SignedToken.parse(authenticated.id_token.encode()).unverified_claims


def test_a_card_logs_in(ti, make):
    upstream = make()
    begun = run(upstream.begin(REQUEST))
    assert begun.redirect_url.startswith(f"{ti.idp.issuer}/sign_response?")
    claims = claims_of(run(upstream.finish(browse(begun.redirect_url, card="doctor"), begun.private)))
    assert (claims["iss"], claims["aud"], claims["nonce"]) == (ti.idp.issuer, "our-client", "the-nonce")
    assert claims["idNummer"] == ti.idp.cards["doctor"].id_nummer


def test_the_request_has_pkce_and_its_verifier_goes_nowhere_in_the_clear(make, fetcher):
    upstream = make()
    begun = run(upstream.begin(REQUEST))
    asked = {name: values[0] for name, values in parse_qs(urlsplit(begun.redirect_url).query).items()}
    verifier = begun.private["verifier"]
    assert len(verifier) >= 43
    assert asked.pop("code_challenge") not in ("", verifier)
    assert asked == {
        "response_type": "code",
        "client_id": "our-client",
        "redirect_uri": REDIRECT,
        "scope": "openid gem-auth",
        "state": "the-state",
        "nonce": "the-nonce",
        "code_challenge_method": "S256",
    }
    run(upstream.finish(browse(begun.redirect_url, card="doctor"), begun.private))
    (sent,) = fetcher.sent
    assert verifier.encode() not in sent["content"]
    assert verifier not in repr(begun)
    other = run(upstream.begin(REQUEST)).private["verifier"]
    assert other != verifier


def test_the_authenticator_is_opened_with_the_address(ti, make):
    url = run(make(authenticator=True, card="SMC-B").begin(REQUEST)).redirect_url
    assert url.startswith("authenticator://?challenge_path=https%3A%2F%2F")
    (path,) = parse_qs(urlsplit(url).query)["challenge_path"]
    assert path.startswith(f"{ti.idp.issuer}/sign_response?")
    assert parse_qs(urlsplit(path).query)["cardType"] == ["SMC-B"]


def test_the_user_agent_is_the_configured_one(make, fetcher):
    for how, agent in (({}, None), ({"user_agent": "TIM/1 Maker/our-client"}, "TIM/1 Maker/our-client")):
        upstream = make(**how)
        begun = run(upstream.begin(REQUEST))
        run(upstream.finish(browse(begun.redirect_url, card="doctor"), begun.private))
        assert fetcher.sent[-1]["headers"].get("User-Agent") == agent


def test_the_discovery_document_is_fetched_once_an_hour(ti, make):
    now = [0.0]
    upstream = make(lambda: now[0])
    for seconds, count in ((0, 1), (3599, 1), (3600, 2)):
        now[0] = seconds
        run(upstream.begin(REQUEST))
        assert ti.count("/idp/.well-known/openid-configuration") == count


@pytest.mark.parametrize(
    "fault", ["idp_wrong_role", "idp_foreign_signer", "idp_bad_signature", "revoked_signer", "revoked_sub_ca"]
)
def test_addresses_come_from_a_document_that_is_signed_as_it_should(ti, make, fault):
    setattr(ti.faults, fault, True)
    refused("upstream_unavailable", make().begin(REQUEST), "discovery: ")


def test_a_document_that_has_expired_is_refused(ti, make):
    ti.faults.idp_expired_discovery = True
    refused("upstream_protocol", make().begin(REQUEST), "discovery: expired")


def test_a_provider_that_is_down_is_unavailable(ti, make):
    upstream = make()
    begun = run(upstream.begin(REQUEST))
    answer = browse(begun.redirect_url, card="doctor")
    ti.faults.paths = ("/idp/token",)
    for fault in ({"status": 500}, {"drop_connection": True}, {"redirect": "https://evil.example/"}):
        for name, value in fault.items():
            setattr(ti.faults, name, value)
        refused("upstream_unavailable", upstream.finish(answer, begun.private), "token: ")
        ti.faults.status, ti.faults.drop_connection, ti.faults.redirect = 0, False, ""
    run(upstream.finish(answer, begun.private))


@pytest.mark.parametrize(
    ("reason", "answer"),
    [
        ("upstream_protocol", {}),
        ("upstream_protocol", {"code": ""}),
        ("upstream_protocol", {"error": "invalid_scope"}),
        ("upstream_protocol", {"error": "something", "code": "x"}),
        ("upstream_denied", {"error": "access_denied"}),
        ("upstream_unavailable", {"error": "server_error"}),
        ("upstream_mix_up", {"code": "x", "iss": "https://evil.example"}),
    ],
)
def test_an_answer_without_a_code_is_refused(make, reason, answer):
    refused(reason, make().finish(answer, {"verifier": "x", "redirect_uri": REDIRECT}))


def test_a_code_is_worth_one_token_and_only_with_its_verifier(make):
    upstream = make()
    begun, other = run(upstream.begin(REQUEST)), run(upstream.begin(REQUEST))
    answer = browse(begun.redirect_url, card="doctor")
    run(upstream.finish(answer, begun.private))
    refused("upstream_protocol", upstream.finish(answer, begun.private), "status 400, invalid_grant")
    injected = browse(begun.redirect_url, card="pharmacist")
    refused("upstream_protocol", upstream.finish(injected, other.private), "status 400, invalid_grant")


def json_answer(body, status=200):
    return Response(status, bytearray(body))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b'{"id_token": 1}',
        b'{"id_token": "x"}',
        b'{"id_token": "\xc3\xa4"}',
        b'{"id_token": "a.b.c"}',
        b'{"id_token": "e30..AAAA.AAAA.AAAA"}',
        b"\xff",
    ],
)
def test_whatever_the_token_endpoint_answers_is_a_refusal(ti, make, fetcher, body):
    upstream = make()
    begun = run(upstream.begin(REQUEST))
    answer = browse(begun.redirect_url, card="doctor")
    fetcher.answers[f"{ti.idp.issuer}/token"] = json_answer(body)
    refused("upstream_protocol", upstream.finish(answer, begun.private), "token: ")


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (b"", ""),
        (b'{"error": "<script>"}', "status 400"),
        (b'{"error": ["x"]}', "status 400"),
        (b'{"error": "invalid_client", "error_description": "doctor Dorothea"}', "400, invalid_client"),
    ],
)
def test_of_a_refusal_only_its_name_is_told(ti, make, fetcher, body, detail):
    fetcher.answers[f"{ti.idp.issuer}/token"] = json_answer(body, 400)
    with pytest.raises(UpstreamError) as caught:
        run(make().finish({"code": "x"}, {"verifier": "x", "redirect_uri": REDIRECT}))
    assert caught.value.detail.endswith(detail)
    assert "Dorothea" not in caught.value.detail


@pytest.mark.parametrize("body", [b"", b"{}", b'{"kty": "oct", "k": "AA"}', b'{"keys": []}', b"[]"])
def test_a_key_that_nothing_can_be_encrypted_for_is_refused(ti, make, fetcher, body):
    fetcher.answers[f"{ti.idp.issuer}/certs/puk_idp_enc"] = json_answer(body)
    refused(
        "upstream_protocol",
        make().finish({"code": "x"}, {"verifier": "x", "redirect_uri": REDIRECT}),
        "key: ",
    )
    assert fetcher.sent == []
