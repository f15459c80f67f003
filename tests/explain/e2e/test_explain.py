"""``synapse-tim explain`` beside running servers says what they do, with PostgreSQL as with SQLite."""

import json

import pytest

from synapse_tim.cli import main
from synapse_tim.core.refusal import REFERENCE
from synapse_tim.testing import wait_for
from tests.support.world import EPA, PRIVATE, PRO, block, code, in_database, refusals

pytestmark = pytest.mark.servers

STRANGER = "stranger.example"


@pytest.fixture
def explain(capsys):
    """Run the command; gives its exit code and what it prints."""

    def run(server, what, *about):
        exit_code = main(["explain", what, *about, "--config", str(server.config_path), "--json"])
        return exit_code, json.loads(capsys.readouterr().out)

    return run


def denial_of(server, inviter, invitee):
    """What a server denies of an invitation, in fact; ``None`` if it lets it through."""
    answer = inviter.try_create_room(invite=[invitee], **PRIVATE)
    if answer.status_code == 200:
        return None
    assert code(answer) == (403, "M_FORBIDDEN"), answer.text
    (refusal,) = wait_for(lambda: refusals(server, answer.json()[REFERENCE]), what="the line in the log")
    return refusal.denial


@pytest.mark.parametrize(
    ("inviters", "invitees", "wish", "denial"),
    [
        ("practice", "hospital", None, None),
        ("practice", "hospital", "block", "invitee_refuses"),
        ("hospital", "hospital", "block", "invitee_refuses"),
        ("lax", "hospital", None, None),
        ("insurer", "hospital", None, None),
        ("fund", "insurer", None, "insured_invites_insured"),
        ("insurer", "insurer", None, "insured_invites_insured"),
        ("practice", "insurer", "block", "invitee_refuses"),
    ],
)
def test_a_22817_an_invitation_is_explained_as_it_is_decided(
    world, explain, inviters, invitees, wish, denial
):
    inviter = world.user(getattr(world, inviters))
    server = getattr(world, invitees)
    invitee = world.user(server)
    if wish == "block":
        block(invitee, EPA if invitees == "insurer" else PRO)
    exit_code, explained = explain(server, "invite", inviter.user_id, invitee.user_id)
    assert (exit_code, explained["denial"]) == (0 if denial is None else 1, denial), explained
    if inviters == "fund":  # which refuses by itself, for the same reason
        server = world.fund
    assert denial_of(server, inviter, invitee.user_id) == denial


def test_a_22817_servers_are_explained(world, explain):
    exit_code, explained = explain(world.hospital, "server", STRANGER)
    assert (exit_code, explained["denial"]) == (1, "not_a_member")
    found = {step["subject"]: step["finding"] for step in explained["steps"]}
    assert found["federation list"].startswith(f"version {world.ti.version}, ")
    exit_code, explained = explain(world.hospital, "server", world.fund.server_name)
    assert (exit_code, explained["denial"]) == (0, None)
    assert explained["steps"][1]["finding"] == f"{world.fund.server_name}: an insurer's"
    assert explain(world.hospital, "server", world.hospital.server_name)[0] == 0
    assert explain(world.hospital, "server", "no server name")[0] == 1
    doctor = world.user(world.hospital)
    exit_code, explained = explain(world.hospital, "invite", doctor.user_id, f"@friend:{STRANGER}")
    assert (exit_code, explained["denial"]) == (1, "not_a_member")
    assert denial_of(world.hospital, doctor, f"@friend:{STRANGER}") == "not_a_member"


def test_a_22817_what_the_other_server_decides_is_said(world, explain):
    doctor, physician = world.user(world.hospital), world.user(world.practice)
    block(physician)
    exit_code, explained = explain(world.hospital, "invite", doctor.user_id, physician.user_id)
    assert (exit_code, explained["denial"]) == (0, None)
    assert world.practice.server_name in explained["result"]


def test_a_22817_users_are_explained(world, explain):
    doctor = world.user(world.hospital)
    exit_code, explained = explain(world.hospital, "user", doctor.user_id)
    assert (exit_code, explained["denial"]) == (0, None)
    found = [(step["subject"], step["finding"]) for step in explained["steps"]]
    assert ("permission configuration", "none stored, so the default: allow all") in found
    assert ("device", f"{doctor.device_id}, in no provider's session") in found
    block(doctor, userExceptions={f"@friend:{STRANGER}": {}})
    found = [step["finding"] for step in explain(world.hospital, "user", doctor.user_id)[1]["steps"]]
    assert f"stored: block all except @friend:{STRANGER}" in found
    nobody = f"@nobody:{world.hospital.server_name}"
    exit_code, explained = explain(world.hospital, "user", nobody)
    assert (exit_code, explained["denial"]) == (1, "invitee_unknown")
    assert denial_of(world.hospital, doctor, nobody) == "invitee_unknown"


def test_a_26390_a_document_of_another_product_is_explained(world, explain):
    doctor, colleague = world.user(world.hospital), world.user(world.hospital)
    block(doctor)
    change = "UPDATE account_data SET content = {0} WHERE user_id = {0} AND account_data_type = {0}"
    in_database(world.hospital, change, ('{"defaultSetting": "allow"}', doctor.user_id, PRO))
    exit_code, explained = explain(world.hospital, "invite", colleague.user_id, doctor.user_id)
    assert (exit_code, explained["denial"]) == (1, "invitee_unreadable")
    assert "defaultSetting" in explained["steps"][-1]["finding"]
