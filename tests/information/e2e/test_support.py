"""``/.well-known/matrix/support``: whom to turn to, for everybody, beside Synapse's own documents."""

import pytest

from synapse_tim.testing import loopback
from tests.information.e2e.world import CONTACTS, PAGE, SUPPORT

pytestmark = pytest.mark.servers


def ask(server, path=SUPPORT, method="GET", **options):
    return loopback.request(method, server.client_url + path, **options)


def test_a_26265_everybody_learns_whom_to_turn_to(world):
    answer = ask(world.clinic)
    assert answer.status_code == 200
    assert answer.json() == {"contacts": CONTACTS, "support_page": PAGE}
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Access-Control-Allow-Origin"] == "*"


def test_a_26265_a_page_alone_is_enough(world):
    assert ask(world.practice).json() == {"support_page": PAGE}


def test_a_26265_every_process_that_serves_clients_tells(world):
    for each in (world.clinic, *getattr(world.clinic, "workers", ())):
        assert ask(each).json() == {"contacts": CONTACTS, "support_page": PAGE}
    assert world.clinic.anonymous_request("GET", SUPPORT).status_code == 200  # over TLS


@pytest.mark.one_process
@pytest.mark.parametrize("method", ["DELETE", "PUT", "POST", "PATCH"])
@pytest.mark.parametrize("token", [False, True])
def test_r5_13_nobody_changes_it(world, method, token):
    headers = {"Authorization": f"Bearer {world.user().access_token}"} if token else {}
    answer = ask(world.clinic, method=method, json={"contacts": []}, headers=headers)
    assert (answer.status_code, answer.json()["errcode"]) == (405, "M_UNRECOGNIZED")
    assert answer.headers["Allow"] == "GET, HEAD, OPTIONS"
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert ask(world.clinic).json()["contacts"] == CONTACTS


def test_r5_13_browsers_and_head(world):
    answer = ask(world.clinic, method="OPTIONS")
    assert answer.status_code == 204
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    answer = ask(world.clinic, method="HEAD")
    assert (answer.status_code, answer.content) == (200, b"")


@pytest.mark.one_process
@pytest.mark.parametrize("rest", ["/", "/x"])
def test_r5_13_there_is_nothing_below_it(world, rest):
    assert ask(world.clinic, SUPPORT + rest).status_code == 404


def test_a_26265_without_contacts_the_path_is_as_synapse_leaves_it(world):
    assert ask(world.insurer).status_code == 404
    assert "A_26265" in world.insurer.log_text()
    assert "A_26265" not in world.clinic.log_text()


def test_r5_14_the_other_well_known_documents_are_as_they_were(world):
    """The practice serves that for servers, the clinic does not; the insurer's are Synapse's own."""
    client, server = "/.well-known/matrix/client", "/.well-known/matrix/server"
    for each in world.servers:
        answer = ask(each, client)
        assert answer.json() == {"m.homeserver": {"base_url": each.config["public_baseurl"]}}
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert ask(each, client, method="DELETE").status_code == 405
    assert ask(world.practice, server).json() == {"m.server": world.practice.server_name}
    for each in (world.clinic, world.insurer):
        answer = ask(each, server)
        assert (answer.status_code, answer.text[:4]) == (404, "404.")
    for each in (world.clinic, world.insurer):
        assert ask(each, "/.well-known/matrix/other").status_code == 404


def test_it_is_served_where_the_other_well_known_documents_are_and_nowhere_else(world):
    for names, url in world.other_listeners.items():
        for document in ("support", "client"):
            answer = loopback.get(f"{url}/.well-known/matrix/{document}")
            assert answer.status_code == 404, names
