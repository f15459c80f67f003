"""What keeps a homeserver from starting, and what happens before the table is there or while it is away."""

import pytest

from synapse_tim.testing import SynapseServer, wait_for
from tests.contacts.e2e.world import (
    BASE,
    ERIKA,
    contact,
    in_database,
    now,
    one,
    owner_of,
    part,
    refused,
    rows,
)

pytestmark = pytest.mark.servers


def clinic(ti_world, tmp_path, *modules):
    return SynapseServer("clinic", tmp_path / "clinic", ti_world, modules=modules)


@pytest.mark.parametrize(
    ("module", "said"),
    [
        (part(contacts={"max_contacts": 0}), "config.contacts.max_contacts: "),
        (
            part(spec_version="1.2"),
            "config.spec_version: synapse_tim.ContactManagement belongs to",
        ),
        (
            part(spec_version="1.1", contacts={}),
            "config.contacts: contact management belongs to",
        ),
    ],
)
def test_a_wrong_block_is_refused(ti_world, tmp_path, module, said):
    server = clinic(ti_world, tmp_path, module)
    assert said in server.start_expecting_failure() + server.log_text()


def test_it_is_not_loaded_twice(ti_world, tmp_path):
    server = clinic(ti_world, tmp_path, part(), part())
    said = server.start_expecting_failure() + server.log_text()
    assert "synapse_tim.ContactManagement is loaded twice" in said


#: Takes the path of the interface, as the module API lets it.
OTHER = """
from twisted.web.resource import Resource

class Other:
    def __init__(self, config, api):
        api.register_web_resource("/tim-contact-mgmt/v1.0.2", Resource())

    @staticmethod
    def parse_config(config):
        return config
"""


def test_a_path_that_another_module_serves_is_not_taken_away(ti_world, tmp_path):
    server = clinic(ti_world, tmp_path, part(), {"module": "other.Other", "config": {}})
    (server.directory / "other.py").write_text(OTHER)
    said = server.start_expecting_failure() + server.log_text()
    assert f"synapse_tim.ContactManagement needs {BASE}, which another module serves" in said


def test_it_is_served_beside_the_information_services(ti, tmp_path, start):
    server = clinic(
        ti.world,
        tmp_path,
        part("FederationAllowList", federation_list=ti.federation_list_config()),
        part("InformationServices", information={"support": {"support_page": "https://clinic.example/"}}),
        part(),
    )
    server.config["federation_domain_whitelist"] = []
    start(server)
    owner = owner_of(server.register("user"))
    wait_for(lambda: owner.post().status_code == 200, what="the table")
    assert owner.send("GET", "/.well-known/matrix/support").status_code == 200
    assert owner.send("GET", BASE).json()["version"] == "1.0.3"


def test_a_table_that_is_away_is_an_answer_and_comes_back_with_a_restart(ti_world, tmp_path, start):
    server = start(clinic(ti_world, tmp_path, part()))
    user = server.register("user")
    owner = owner_of(user)
    wait_for(lambda: owner.post().status_code == 200, what="the table")
    in_database(server, "ALTER TABLE synapse_tim_contacts RENAME TO away")
    for answer in (
        owner.send("GET"),
        owner.post(),
        owner.put(),
        owner.send("GET", one(ERIKA)),
        owner.send("DELETE", one(ERIKA)),
    ):
        assert refused(answer, "M_UNKNOWN") == 503
        assert int(answer.headers["Retry-After"]) > 0
    assert owner.send("GET", BASE).status_code == 200
    # An account can be deactivated all the same; its list goes when the table is back.
    server.register("root", admin=True).request(
        "POST", f"/_synapse/admin/v1/deactivate/{user.user_id}", {}
    ).raise_for_status()
    in_database(server, "ALTER TABLE away RENAME TO synapse_tim_contacts")
    assert rows(server, user.user_id) == [ERIKA]

    other = owner_of(server.register("other"))
    for name, end in (("a", now() + 1000), ("b", now() + 1000)):
        other.post(f"@{name}:practice.example", end=end).raise_for_status()
    change = "UPDATE synapse_tim_contacts SET end_s = {0} WHERE contact = {0}"
    in_database(server, change, (now() - 5, "@a:practice.example"))
    assert len(rows(server, other.user_id)) == 2
    server.restart()
    wait_for(lambda: len(rows(server, other.user_id)) == 1, what="the removal")
    wait_for(lambda: not rows(server, user.user_id), what="the removal")
    assert [each["mxid"] for each in other.contacts] == ["@b:practice.example"]


def test_a_database_that_does_not_know_who_asks_lets_nobody_in(ti_world, tmp_path, start):
    server = start(clinic(ti_world, tmp_path, part()))
    owner = owner_of(server.register("user"))
    wait_for(lambda: owner.post().status_code == 200, what="the table")
    in_database(server, "ALTER TABLE open_id_tokens RENAME TO away")
    assert refused(owner.send("GET"), "M_UNKNOWN") == 503
    in_database(server, "ALTER TABLE away RENAME TO open_id_tokens")
    assert owner.contacts == [contact()]
