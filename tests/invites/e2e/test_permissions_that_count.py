"""Which permission configuration counts, after a restart or for a name in capitals too: A_26021-01."""

import pytest

from tests.support.world import EPA, PRIVATE, block, code

pytestmark = pytest.mark.servers

FORBIDDEN = (403, "M_FORBIDDEN")


@pytest.mark.requirement("A_26389")
def test_a_25043_a_document_stored_for_the_other_product_is_not_checked_and_does_not_count(world):
    insured, doctor = world.user(world.insurer), world.user(world.hospital)
    pro = "de.gematik.tim.account.permissionconfig.pro.v1"
    insured.put_account_data(pro, {"defaultSetting": "block all"}).raise_for_status()
    assert doctor.try_create_room(invite=[insured.user_id]).status_code == 200
    block(insured, EPA)
    assert code(doctor.try_create_room(invite=[insured.user_id])) == FORBIDDEN


def test_a_26021_01_a_name_in_capitals_is_the_same_server(world):
    doctor, physician = world.user(world.hospital), world.user(world.practice)
    block(doctor, serverExceptions={world.practice.server_name.upper(): {}})
    assert physician.try_create_room(invite=[doctor.user_id]).status_code == 200


def test_a_26021_01_the_configuration_counts_after_a_restart(world):
    doctor, nurse = world.user(world.practice), world.user(world.practice)
    block(nurse)
    world.practice.restart()
    world.settle()
    assert code(doctor.try_create_room(invite=[nurse.user_id])) == FORBIDDEN


@pytest.mark.requirement("A_22817")
def test_a_22813_the_policies_log_no_users_and_no_rooms(world):
    doctor, nurse, leo = world.user(world.hospital), world.user(world.hospital), world.user(world.lax)
    block(nurse)
    room = doctor.create_room()
    doctor.invite(room, nurse.user_id)
    leo.try_create_room(invite=[nurse.user_id], **PRIVATE)
    doctor.put_state(room, "m.room.join_rules", {"join_rule": "public"})
    lines = [line for line in world.hospital.log_text().splitlines() if " synapse_tim" in line]
    assert lines
    for line in lines:
        message = line.split(" synapse_tim", 1)[1]
        assert "@" not in message
        assert "!" not in message


def test_r2_14_an_application_service_is_invited(world):
    doctor = world.user(world.hospital)
    bot = f"@past:{world.hospital.server_name}"
    room = doctor.create_room()
    assert doctor.invite(room, bot).status_code == 200
    assert bot in doctor.members(room, "invite")
    insured = world.user(world.insurer)
    assert insured.invite(insured.create_room(), bot).status_code == 200
