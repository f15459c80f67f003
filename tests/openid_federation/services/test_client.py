"""What is fetched of the federation, how often, and what is believed."""

import datetime as dt
import json
import threading

import pytest

from synapse_tim.jose import jwk
from synapse_tim.login.provider_keys import FederatedKeys, KeysUnavailableError, KeysWithdrawnError
from synapse_tim.openid_federation.client import FederationClient
from synapse_tim.openid_federation.errors import FederationError
from synapse_tim.openid_federation.rules.chain import TrustAnchor
from synapse_tim.testing.merge import REMOVED
from synapse_tim.transport.fetcher import Fetcher
from synapse_tim.transport.tls import client_context

MASTER, IDP = "/federation-master", "/sectoral"


@pytest.fixture
def client(ti):
    fetcher = Fetcher(client_context(ti.ca_file), silence=3)
    keys = jwk.parse_key_set(json.dumps(ti.federation_master.jwks).encode())
    yield FederationClient(fetcher, TrustAnchor(ti.federation_master.issuer, keys), ti.now)
    fetcher.close()


def refused(reason, function, *arguments):
    with pytest.raises(FederationError) as caught:
        function(*arguments)
    assert caught.value.reason == reason, caught.value


def later(ti, **offset):
    ti.clock_offset += dt.timedelta(**offset)


def kids(found):
    return [key.kid for key in found.keys]


def test_a_provider_and_its_keys_are_found(ti, client):
    provider = client.provider(ti.sectoral.issuer)
    assert provider.endpoint("token_endpoint") == f"{ti.sectoral.issuer}/token"
    assert kids(client.keys(ti.sectoral.issuer)) == ["sectoral_sig"]
    assert [row.entity_id for row in client.listed()] == [ti.sectoral.issuer]


def test_statements_are_fetched_once_while_they_hold(ti, client):
    for _ in range(5):
        client.provider(ti.sectoral.issuer)
    assert (ti.count(MASTER), ti.count(IDP)) == (2, 1)
    later(ti, hours=23)
    client.provider(ti.sectoral.issuer)
    assert (ti.count(MASTER), ti.count(IDP)) == (2, 1)
    later(ti, hours=1)
    client.provider(ti.sectoral.issuer)
    assert (ti.count(MASTER), ti.count(IDP)) == (4, 2)


def test_a_statement_for_longer_than_a_day_is_fetched_again_after_a_day(ti, client):
    expiry = int((ti.now() + dt.timedelta(days=90)).timestamp())
    ti.sectoral.entity = {"exp": expiry}
    ti.federation_master.claims = {"exp": expiry}
    client.provider(ti.sectoral.issuer)
    later(ti, hours=24)
    client.provider(ti.sectoral.issuer)
    assert ti.count(IDP) == 2


def test_threads_that_come_together_fetch_once(ti, client):
    threads = [threading.Thread(target=client.provider, args=(ti.sectoral.issuer,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (ti.count(MASTER), ti.count(IDP)) == (2, 1)


def test_an_unknown_provider_is_refused_and_never_spoken_to(ti, client):
    del ti.federation_master.members[ti.sectoral.issuer]
    refused("unknown_entity", client.provider, ti.sectoral.issuer)
    refused("unknown_entity", client.keys, f"{ti.http_url}/elsewhere")
    assert ti.count(IDP) == 0


def test_the_keys_are_fetched_each_time(ti, client):
    assert kids(client.keys(ti.sectoral.issuer)) == ["sectoral_sig"]
    kid = ti.sectoral.rotate_keys()
    assert kids(client.keys(ti.sectoral.issuer)) == [kid]
    assert ti.count(MASTER) == 2


def test_a_new_key_for_statements_is_learnt_from_the_anchor(ti, client):
    client.keys(ti.sectoral.issuer)
    ti.sectoral.rotate_entity_key()
    assert kids(client.keys(ti.sectoral.issuer)) == ["sectoral_sig"]
    assert ti.count(f"{MASTER}/fetch") == 2


def test_keys_may_stand_in_the_statement(ti, client):
    ti.sectoral.metadata = {"signed_jwks_uri": REMOVED, "jwks": ti.federation_master.jwks}
    assert kids(client.keys(ti.sectoral.issuer)) == ["puk_fed_sig"]
    ti.sectoral.metadata = {"signed_jwks_uri": REMOVED}
    refused("malformed", client.keys, ti.sectoral.issuer)
    ti.sectoral.metadata = {"signed_jwks_uri": REMOVED, "jwks_uri": ti.sectoral.jwks_url}
    refused("malformed", client.keys, ti.sectoral.issuer)


@pytest.mark.parametrize("whose", ["of the provider", "of the anchor about it", "of the anchor"])
def test_a_statement_that_was_replaced_is_not_believed_again(ti, client, whose):
    def issued(moment):
        claims = {"iat": int(moment.timestamp())}
        ti.sectoral.entity = claims if whose == "of the provider" else {}
        ti.federation_master.about = {ti.sectoral.issuer: claims} if whose.endswith("it") else {}
        ti.federation_master.claims = claims if whose == "of the anchor" else {}

    before = ti.now()
    client.provider(ti.sectoral.issuer)
    later(ti, days=1, minutes=1)
    issued(before - dt.timedelta(seconds=2))
    refused("outdated", client.provider, ti.sectoral.issuer)
    issued(ti.now())
    client.provider(ti.sectoral.issuer)


@pytest.mark.parametrize(
    "fault",
    [
        {"status": 500},
        {"drop_connection": True},
        {"redirect": "https://localhost/"},
        {"oversized": 65 * 1024},
        {"endless_body": True},
        {"gzip_bomb": 1024 * 1024},
    ],
)
@pytest.mark.parametrize("where", [f"{MASTER}/.well-known", f"{MASTER}/fetch", f"{IDP}/.well-known"])
def test_what_cannot_be_had_is_unreachable(ti, client, where, fault):
    ti.faults.paths = (where,)
    for name, value in fault.items():
        setattr(ti.faults, name, value)
    refused("unreachable", client.provider, ti.sectoral.issuer)
    ti.faults.reset()
    client.provider(ti.sectoral.issuer)


def test_keys_hold_no_longer_than_the_anchor_vouches_for_them(ti, client):
    source = FederatedKeys(client, ti.sectoral.issuer)
    ti.faults.paths, ti.faults.status = (MASTER, IDP), 503
    with pytest.raises(KeysUnavailableError):
        source.fetch()
    ti.faults.reset()
    source.fetch()
    ti.faults.paths, ti.faults.status = (MASTER, IDP), 503
    with pytest.raises(KeysUnavailableError) as caught:
        source.fetch()
    assert type(caught.value) is KeysUnavailableError
    later(ti, days=1)
    with pytest.raises(KeysWithdrawnError):
        source.fetch()
    ti.faults.reset()
    source.fetch()


def test_keys_of_a_provider_that_left_the_federation_are_withdrawn(ti, client):
    source = FederatedKeys(client, ti.sectoral.issuer)
    del ti.federation_master.members[ti.sectoral.issuer]
    with pytest.raises(KeysWithdrawnError):
        source.fetch()
