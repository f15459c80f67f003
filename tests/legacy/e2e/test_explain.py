"""``synapse-tim explain`` in the legacy generation: approval list, then directory."""

import json

import pytest

from synapse_tim.cli import main
from synapse_tim.testing.paths import LOCALIZATION
from tests.legacy.e2e.test_invitations import let_through, refused
from tests.legacy.e2e.world import HOUR_S, approve

pytestmark = pytest.mark.servers


@pytest.mark.parametrize(
    ("approved", "lists", "denial", "decides"),
    [
        ((-HOUR_S, None), (None, None), None, "approval list"),
        ((HOUR_S, None), (None, None), "invitee_not_approved", "directory"),
        (None, ("org", None), None, "directory"),
        (None, ("pract", "pract"), None, "directory"),
        (None, ("pract", "org"), "invitee_not_approved", "directory"),
    ],
)
def test_af_10061_01_an_invitation_is_explained_as_it_is_decided(
    world, capsys, approved, lists, denial, decides
):
    doctor, physician = world.user(), world.user(world.practice)
    if approved is not None:
        approve(doctor, physician, *approved)
    for user, kind in zip((doctor, physician), lists, strict=True):
        if kind is not None:
            world.list_in_directory(user, kind)
    arguments = ["explain", "invite", physician.user_id, doctor.user_id]
    exit_code = main([*arguments, "--config", str(world.clinic.config_path), "--json"])
    explained = json.loads(capsys.readouterr().out)
    assert (exit_code, explained["denial"]) == (0 if denial is None else 1, denial), explained
    assert explained["steps"][-1]["subject"] == decides
    assert let_through(physician, doctor) if denial is None else refused(physician, doctor)


def test_af_10061_01_without_an_answer_of_the_directory_it_is_unknown(world, capsys):
    nurse, physician = world.user(world.ward), world.user(world.practice)
    world.failing.faults.paths = (LOCALIZATION,)
    world.failing.faults.status = 503
    try:
        arguments = ["explain", "invite", physician.user_id, nurse.user_id]
        assert main([*arguments, "--config", str(world.ward.config_path), "--json"]) == 2
    finally:
        world.failing.faults.reset()
    explained = json.loads(capsys.readouterr().out)
    assert (explained["denial"], explained["known"]) == ("approval_unavailable", False)
