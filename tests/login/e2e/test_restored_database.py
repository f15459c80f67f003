"""A database of yesterday (docs/backup.md): what it has forgotten, and what holds all the same."""

import shutil

import pytest

from synapse_tim.testing import SynapseServer, wait_for
from synapse_tim.testing.simulator.idp.cards import Card
from tests.login.e2e.world import AUDIENCE, DOCTOR, central, logged_in, module, refused

pytestmark = [pytest.mark.servers, pytest.mark.one_process, pytest.mark.logins_of_synapse]

VERSION = "synapse_tim_federation_list_version"
UPDATES = "synapse_tim_federation_list_updates_total"


@pytest.fixture
def clinic(ti, tmp_path):
    modules = [module(ti, "pro", {"providers": [central(ti)]})]
    extra = {"federation_domain_whitelist": []}
    server = SynapseServer("clinic", tmp_path / "clinic", ti.world, modules=modules, extra=extra)
    yield server
    server.stop()


def in_force(server, version):
    wait_for(lambda: server.metrics().get(VERSION) == version, what=f"version {version}")


def test_a_restored_database_has_a_lower_floor_and_knows_fewer_used_tokens(ti, clinic, tmp_path):
    clinic.start().wait()
    ti.add(clinic.server_name)
    in_force(clinic, ti.version)
    of_the_backup = ti.version
    clinic.stop()
    database, backup = clinic.directory / "homeserver.db", tmp_path / "backup.db"
    shutil.copy(database, backup)

    clinic.start().wait()
    ti.add("new.example")
    ti.add("newer.example")
    in_force(clinic, ti.version)
    card = Card(id_nummer="1-HBA-TEST-ONLY-9001", profession_oid=DOCTOR, family_name="Doktor")
    token = ti.idp.mint(card, audience=AUDIENCE)
    session = logged_in(clinic, token)
    refused(clinic, token, "replayed")

    def restore():
        clinic.stop()
        for file in clinic.directory.glob("homeserver.db*"):
            file.unlink()
        shutil.copy(backup, database)

    restore()
    latest = ti.version
    ti.faults.rollback = 1  # newer than the list of the backup, and older than the last one
    assert of_the_backup < latest - 1
    (entry,) = clinic.config["modules"]
    entry["config"]["federation_list"]["minimum_version"] = latest
    clinic.start().wait()
    below = f'{UPDATES}{{result="below_minimum_version"}}'
    wait_for(lambda: clinic.metrics().get(below), what="the refusal")
    assert clinic.metrics()[VERSION] == 0  # nor is the list of the backup used

    restore()
    entry["config"]["federation_list"]["minimum_version"] = 0
    clinic.start().wait()
    in_force(clinic, latest - ti.faults.rollback)
    # A token that the backup does not know may be used once more, and an account is made anew.
    assert logged_in(clinic, token)["user_id"] == session["user_id"]
    refused(clinic, token, "replayed")
