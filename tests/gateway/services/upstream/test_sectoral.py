"""A sectoral identity provider as an upstream, against the simulated one: mutual TLS, and the federation."""

from urllib.parse import parse_qs, urlsplit

import attrs
import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from synapse_tim.gateway.upstream import AuthenticationRequest, UpstreamError
from synapse_tim.gateway.upstream.sectoral import Endpoints, FederatedEndpoints, SectoralUpstream
from synapse_tim.jose.jwe import decrypt
from synapse_tim.jose.signed_token import SignedToken
from synapse_tim.login.provider_keys import FederatedKeys
from synapse_tim.openid_federation.client import FederationClient
from synapse_tim.openid_federation.rules.chain import TrustAnchor
from synapse_tim.openid_federation.rules.own_entity import EntityKey
from synapse_tim.transport.fetcher import Fetcher
from synapse_tim.transport.tls import client_context
from tests.gateway.services.upstream.providers import (
    NO_CHECK,
    REDIRECT,
    REQUEST,
    Entity,
    Inline,
    anchor_keys,
    browse,
    certificate,
    pem,
    run,
)


@attrs.define
class World:
    """A relying party and its provider."""

    ti: object
    entity: Entity
    client: FederationClient
    fetchers: list

    def upstream(self, certificate_path=None, endpoints=None, **changes):
        context = client_context(self.ti.ca_file, certificate_path or self.entity.certificate_path)
        fetcher = Fetcher(context, silence=3)
        self.fetchers.append(fetcher)
        usual = {
            "issuer": self.ti.sectoral.issuer,
            "client_id": self.entity.own.entity_id,
            "scope": "openid urn:telematik:versicherter",
            "endpoints": endpoints or FederatedEndpoints(self.client, self.ti.sectoral.issuer),
            "fetcher": fetcher,
            "threads": Inline(),
        }
        return SectoralUpstream("gid", "Kasse", **{**usual, **changes})


@pytest.fixture
def world(ti, tmp_path):
    ti.sectoral.clients.required = True
    entity = Entity.of(ti, tmp_path)
    fetcher = Fetcher(client_context(ti.ca_file), silence=3)
    anchor = TrustAnchor(ti.federation_master.issuer, anchor_keys(ti))
    world = World(ti, entity, FederationClient(fetcher, anchor, ti.now), [fetcher])
    yield world
    entity.server.close()
    for fetcher in world.fetchers:
        fetcher.close()


def refused(reason, coroutine, detail=""):
    with pytest.raises(UpstreamError) as caught:
        run(coroutine)
    assert caught.value.reason == reason, caught.value
    assert detail in caught.value.detail


def logged_in(world, upstream, person="erika"):
    """The claims of a log-in."""
    begun = run(upstream.begin(REQUEST))
    token = run(upstream.finish(browse(begun.redirect_url, person=person), begun.private)).id_token
    inner = SignedToken.parse(decrypt(token.encode(), [world.entity.decryption_key]))
    return inner.verify(FederatedKeys(world.client, world.ti.sectoral.issuer).fetch())


def test_an_insured_person_logs_in(world):
    claims = logged_in(world, world.upstream())
    assert claims["aud"] == world.entity.own.entity_id
    assert claims["nonce"] == "the-nonce"
    assert claims["urn:telematik:claims:id"] == "X000000012"


def test_the_browser_learns_the_name_of_the_request_and_nothing_else(world):
    begun = run(world.upstream().begin(REQUEST))
    asked = parse_qs(urlsplit(begun.redirect_url).query)
    assert asked.keys() == {"client_id", "request_uri"}
    assert asked["request_uri"][0].startswith("urn:ietf:params:oauth:request_uri:")


@pytest.mark.parametrize(("prompt", "max_age"), [(None, None), ("login", 60), ("select_account", None)])
def test_the_pushed_request_says_what_is_wanted(world, prompt, max_age):
    sent = []

    class Watching:
        def post(self, url, **options):
            sent.append(parse_qs(options["content"].decode()))
            return world.fetchers[-1].post(url, **options)

    upstream = world.upstream()
    upstream = world.upstream(fetcher=Watching())
    run(upstream.begin(AuthenticationRequest(REDIRECT, "s", "n", prompt, max_age)))
    (asked,) = sent
    assert asked["acr_values"] == ["gematik-ehealth-loa-high"]
    assert asked["code_challenge_method"] == ["S256"]
    assert asked.get("prompt") == (["login"] if prompt == "login" else None)
    assert asked.get("max_age") == (None if max_age is None else [str(max_age)])


# Who we are -------------------------------------------------------------------------------------------------


def test_a_certificate_that_we_do_not_publish_is_refused(world, tmp_path):
    path, other = certificate(tmp_path, "other")
    world.ti.accept_client_certificate(pem(other))
    refused("upstream_protocol", world.upstream(path).begin(REQUEST), "status 401, invalid_client")


def test_a_certificate_that_nobody_knows_is_refused(world, tmp_path):
    path, _ = certificate(tmp_path, "unknown")
    refused("upstream_unavailable", world.upstream(path).begin(REQUEST), "pushed request: unreachable")


def test_without_a_certificate_nothing_is_answered(world):
    anonymous = Fetcher(client_context(world.ti.ca_file), silence=3)
    world.fetchers.append(anonymous)
    refused("upstream_protocol", world.upstream(fetcher=anonymous).begin(REQUEST), "401, invalid_client")
    upstream = world.upstream()
    begun = run(upstream.begin(REQUEST))
    answer = browse(begun.redirect_url, person="erika")
    refused(
        "upstream_protocol", world.upstream(fetcher=anonymous).finish(answer, begun.private), "invalid_client"
    )
    run(upstream.finish(answer, begun.private))


def test_the_next_certificate_may_be_used_once_it_is_published(world, tmp_path):
    path, following = certificate(tmp_path, "next")
    world.ti.accept_client_certificate(pem(following))
    refused("upstream_protocol", world.upstream(path).begin(REQUEST))
    both = [*world.entity.own.certificates, following]
    world.entity.own = attrs.evolve(world.entity.own, certificates=both)
    logged_in(world, world.upstream(path))
    logged_in(world, world.upstream())


def test_the_next_key_may_sign_our_statement_once_the_master_knows_it(world):
    following = EntityKey(ec.generate_private_key(ec.SECP256R1()))
    before = world.entity.own
    world.entity.own = attrs.evolve(before, signature_keys=[*before.signature_keys, following])
    logged_in(world, world.upstream())
    world.entity.own = attrs.evolve(before, signature_keys=[following, *before.signature_keys])
    refused("upstream_protocol", world.upstream().begin(REQUEST), "invalid_client")
    keys = {"keys": [following.public_jwk, before.signature_keys[0].public_jwk]}
    world.ti.federation_master.register(before.entity_id, keys)
    logged_in(world, world.upstream())


@pytest.mark.parametrize(
    "change",
    [
        {"redirect_uris": ("https://other.example/callback",)},
        {"authority_hints": ("https://other.example",)},
        {"scope": "openid"},
        {"further": {"require_pushed_authorization_requests": False}},
        {"further": {"client_registration_types": ["explicit"]}},
        {"certificates": []},
    ],
)
def test_the_provider_holds_us_to_our_statement(world, change):
    before = world.entity.own
    world.entity.own = attrs.evolve(before, **change)
    refused("upstream_protocol", world.upstream().begin(REQUEST), "pushed request: status 4")
    world.entity.own = before
    logged_in(world, world.upstream())


def test_a_client_outside_the_federation_is_refused(world):
    refused(
        "upstream_protocol",
        world.upstream(client_id="https://other.example").begin(REQUEST),
        "invalid_client",
    )
    del world.ti.federation_master.members[world.entity.own.entity_id]
    refused("upstream_protocol", world.upstream().begin(REQUEST), "invalid_client")


def test_what_we_publish_is_read_by_others(world):
    address = f"{world.entity.own.entity_id}/.well-known/openid-federation"
    token = SignedToken.parse(httpx.get(address, verify=NO_CHECK).content)
    assert (token.type, token.algorithm) == ("entity-statement+jwt", "ES256")
    claims = token.unverified_claims
    assert claims["exp"] - claims["iat"] == 24 * 60 * 60
    party = claims["metadata"]["openid_relying_party"]
    assert [key.get("use") for key in party["jwks"]["keys"]] == ["enc", "sig"]
    assert not any("d" in key for key in [*party["jwks"]["keys"], *claims["jwks"]["keys"]])


# Who the provider is ----------------------------------------------------------------------------------------


def test_a_provider_that_the_anchor_does_not_know_is_refused(world):
    del world.ti.federation_master.members[world.ti.sectoral.issuer]
    refused("upstream_protocol", world.upstream().begin(REQUEST), "federation: unknown_entity")
    assert world.ti.count("/sectoral") == 0


def test_a_provider_whose_statement_is_wrong_is_never_spoken_to(world):
    world.ti.sectoral.metadata = {"pushed_authorization_request_endpoint": "http://localhost/par"}
    refused("upstream_protocol", world.upstream().begin(REQUEST), "federation: metadata")
    world.ti.sectoral.metadata = {}
    world.ti.sectoral.entity = {"authority_hints": ["https://other.example"]}
    assert not world.ti.count("/sectoral/par")


def test_a_federation_that_is_down_is_unavailable(world):
    world.ti.faults.paths, world.ti.faults.status = ("/federation-master",), 503
    refused("upstream_unavailable", world.upstream().begin(REQUEST), "federation: unreachable")
    world.ti.faults.reset()
    logged_in(world, world.upstream())


def test_one_provider_may_be_fixed_without_a_federation(world):
    ti, issuer = world.ti, world.ti.sectoral.issuer
    party = SignedToken.parse(world.entity.own.statement(ti.now())).unverified_claims["metadata"]
    ti.sectoral.clients.agreed["our-client"] = party["openid_relying_party"]["jwks"]
    endpoints = Endpoints(f"{issuer}/auth", f"{issuer}/token", f"{issuer}/par")
    assert logged_in(world, world.upstream(endpoints=lambda: endpoints, client_id="our-client"))
    unknown = world.upstream(endpoints=lambda: endpoints, client_id="another")
    refused("upstream_protocol", unknown.begin(REQUEST), "invalid_client")


# The code ---------------------------------------------------------------------------------------------------


def test_a_code_is_worth_one_token_and_only_with_its_verifier(world):
    upstream = world.upstream()
    begun, other = run(upstream.begin(REQUEST)), run(upstream.begin(REQUEST))
    answer = browse(begun.redirect_url, person="erika")
    run(upstream.finish(answer, begun.private))
    refused("upstream_protocol", upstream.finish(answer, begun.private), "invalid_grant")
    injected = browse(other.redirect_url, person="otto")
    refused("upstream_protocol", upstream.finish(injected, begun.private), "invalid_grant")
    mixed_up = {"code": "x", "iss": "https://evil.example"}
    refused("upstream_mix_up", upstream.finish(mixed_up, begun.private))
    refused("upstream_denied", upstream.finish({"error": "access_denied"}, begun.private))


def test_a_token_that_is_merely_signed_is_refused(world):
    class Plain:
        def post(self, url, **options):
            from synapse_tim.transport.fetcher import Response

            token = world.ti.sectoral.mint("erika", audience="x")
            return Response(200, bytearray(f'{{"id_token": "{token}"}}'.encode()))

    private = {"verifier": "x", "redirect_uri": REDIRECT}
    refused("upstream_protocol", world.upstream(fetcher=Plain()).finish({"code": "x"}, private), "encrypted")
