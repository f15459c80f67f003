"""Homeservers that get list, certificates and OCSP answers from a mirror only, and trust it in nothing."""

import contextlib

import attrs
import pytest

from synapse_tim.testing import SynapseServer, TiSimulator, paths, wait_for
from synapse_tim.testing.http import LoopbackServer
from synapse_tim.testing.servers.mirror import MirrorServer
from tests.federation.e2e.conftest import enforcing, version_of
from tests.federation.e2e.test_list_in_force import status, updates

pytestmark = pytest.mark.servers


@pytest.fixture
def mirror(ti, tmp_path):
    """It has the list; the source is the directory itself, which the homeservers have no login for."""
    block = {"url": ti.directory_list_url, "vzd_credentials": ti.vzd_credentials}
    server = MirrorServer(tmp_path / "mirror", ti, block).start()
    yield server
    server.stop()


@pytest.fixture
def member(ti, start, tmp_path):
    server = start(SynapseServer("member", tmp_path / "member", ti.world))
    ti.add(server.server_name)
    return server


def has_version(mirror, version):
    wait_for(lambda: mirror.metrics().get("synapse_tim_federation_list_version") == version, what="the list")


@pytest.mark.requirement("A_25632", "A_25635")
def test_the_mirror_is_all_that_a_homeserver_needs(ti, start, tmp_path, mirror, member):
    has_version(mirror, ti.version)
    ti.stop()  # from its first start on, the homeserver has nothing but the mirror
    hospital = start(enforcing("hospital", tmp_path, ti, **mirror.list_config(ti)))
    wait_for(lambda: status(member, hospital) == 200, what="the list")
    wait_for(lambda: updates(hospital, "confirmed") > 0, what="a confirmation")

    ti.start()
    ti.remove(member.server_name)
    wait_for(lambda: status(member, hospital) == 403, what="the removal")

    ti.stop()
    mirror.stop()
    wait_for(lambda: updates(hospital, "unreachable") > 0, what="the mirror to be missed")
    mirror.start()  # without its source it has the last list, and the homeserver hears how old it is
    confirmed = updates(hospital, "confirmed")
    wait_for(lambda: updates(hospital, "confirmed") > confirmed, what="a confirmation")
    assert status(member, hospital) == 403
    ti.start()


def test_a_homeserver_behind_a_mirror_without_its_source_goes_stale(ti, start, tmp_path, mirror, member):
    """The mirror would serve its list for an hour: what counts is when the source confirmed it."""
    has_version(mirror, ti.version)
    hospital = start(enforcing("hospital", tmp_path, ti, **mirror.list_config(ti, max_age="4s")))
    wait_for(lambda: status(member, hospital) == 200, what="the list")
    ti.stop()
    wait_for(lambda: status(member, hospital) != 200, what="the end of max_age")
    assert hospital.metrics()["synapse_tim_federation_list_stale"] == 1
    confirmed = updates(hospital, "confirmed")
    wait_for(lambda: updates(hospital, "confirmed") > confirmed, what="the mirror to answer all the same")
    assert status(member, hospital) == 403
    ti.start()
    wait_for(lambda: status(member, hospital) == 200, what="the source")


@pytest.mark.requirement("A_25632", "A_25635")
def test_a_hostile_mirror_is_refused(ti, start, tmp_path, member):
    """The simulator in the place of the mirror: all that it can do is to withhold."""
    stranger = start(SynapseServer("stranger", tmp_path / "stranger", ti.world))
    mirror = MirrorServer(tmp_path / "mirror", ti).start()
    has_version(mirror, ti.version)
    hospital = start(enforcing("hospital", tmp_path, ti, **mirror.list_config(ti)))
    wait_for(lambda: version_of(hospital) == ti.version, what="the list")
    mirror.stop()
    before = ti.version

    with TiSimulator(ti.world) as same_signer, TiSimulator() as own_pki:
        for simulator, fault, value, *reasons in (
            # With roots, OCSP answers and all.
            (own_pki, "age", 0, "certificate_signature", "no_trusted_root", "issuer_mismatch"),
            (same_signer, "bad_signature", True, "signature_invalid"),
            (same_signer, "rollback", 1, "rollback"),  # an old list, genuine
        ):
            simulator.set_domains([member.server_name, stranger.server_name])
            simulator.version = before if fault == "rollback" else before + 1
            setattr(simulator.faults, fault, value)
            with in_its_place(mirror, simulator):
                wait_for(
                    lambda reasons=reasons: any(updates(hospital, each) for each in reasons), what=reasons[0]
                )
            simulator.faults.reset()
            assert version_of(hospital) == before
            assert status(stranger, hospital) == 403
            assert status(member, hospital) == 200


@contextlib.contextmanager
def in_its_place(mirror, simulator):
    """Serve what a simulator has where the mirror was."""

    def answer(request):
        path = request.path.replace("/federationList.jws", paths.OPERATOR_LIST)
        return simulator._endpoints(attrs.evolve(request, path=path))

    server = LoopbackServer(mirror.port, answer, lambda *_: None, simulator.faults)
    try:
        yield
    finally:
        server.close()
