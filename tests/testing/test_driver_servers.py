"""The test driver in front of real servers, in one scenario; the others run with ``tox -e approval``."""

import pytest

from tests.approval.actors import Actor
from tests.approval.scenarios import all_scenarios, play
from tests.approval.servers import serving

pytest.importorskip("nio", reason="encryption needs the extra driver")
pytestmark = [pytest.mark.servers, pytest.mark.one_process]


@pytest.fixture(scope="module")
def interfaces(tmp_path_factory):
    servers = (("pro-a", "pro"), ("epa-a", "epa"))
    with serving("1.2", tmp_path_factory.mktemp("driver"), servers) as found:
        yield found


def test_encrypted_messages_and_files_between_two_enforcing_servers(interfaces):
    name = "encrypted messages and files go to another server"
    (scenario,) = (each for each in all_scenarios() if each.name == name)
    play(scenario, {"alice": interfaces[0], "bob": interfaces[1]})


def test_refusals_of_the_homeserver_are_passed_on_and_a_clean_up_leaves_nothing(interfaces):
    interfaces[0].clean()
    alice = Actor.on(interfaces[0])
    refused = alice.do("createRoom", body={"name": "x", "invitedMembers": [{"mxid": "@x:matrix.org"}]})
    assert (refused.status_code, refused.json()["refusedBy"]) == (403, "homeserver")
    wrong = {"authStage": "basicAuth", "username": alice.account["username"], "password": "wrong"}
    refused = alice.do("login", body=wrong)
    assert (refused.status_code, refused.json()["errorCode"]) == (403, "M_FORBIDDEN")
    assert alice.do("getRooms").status_code == 401, "the session before is over"
    alice.log_in()
    assert alice.do("createRoom", body={"name": "Ward"}).status_code == 201
    assert alice.do("setAuthorizationMode", body="BlockAll").status_code == 200
    interfaces[0].clean()
    assert len(alice.do("getRooms").json()) == 1, "who is claimed is left alone"
    alice.release()
    interfaces[0].clean()
    again = Actor.on(interfaces[0])
    assert again.account["mxid"] == alice.account["mxid"]
    assert again.do("getRooms").json() == []
    assert again.do("getAuthorizationMode").json() == "AllowAll"
    again.release()
