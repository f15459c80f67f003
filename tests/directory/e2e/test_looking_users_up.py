"""R6.4, R6.5: a real Synapse asks the directory, and goes on when that does not answer."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from synapse_tim.testing import loopback, wait_for
from synapse_tim.testing.paths import LOCALIZATION, TOKEN

pytestmark = pytest.mark.servers

LOOKUPS = "synapse_tim_directory_lookups_total"


def test_it_asks_with_the_log_in_of_the_list_and_keeps_the_answer(world):
    world.ti.entries.add_organisation("Klinik", ["@reception:clinic.example"])
    logins = world.ti.count(TOKEN)
    assert world.ask("@reception:clinic.example") == "org"
    asked = world.ti.count(LOCALIZATION)
    assert world.ask("@reception:clinic.example") == "org"
    assert (world.ti.count(LOCALIZATION), world.ti.count(TOKEN)) == (asked, logins)
    assert world.metric(LOOKUPS, kind="owner_type", result="org") == 1
    assert world.metric(LOOKUPS, kind="owner_type", result="cached") == 1


def test_a_slow_directory_makes_nobody_else_wait_and_is_no_answer(world):
    world.ti.entries.add_organisation("Klinik", ["@slow:clinic.example"])
    world.ti.faults.slow_headers = 0.5
    with ThreadPoolExecutor(20) as pool:
        asked = [pool.submit(world.ask, f"@slow{n or ''}:clinic.example") for n in range(20)]
        wait_for(lambda: any("slow" in path for _, path, _ in world.ti.requests), what="a look-up")
        versions = f"{world.server.client_url}/_matrix/client/versions"
        answered = 0  # meanwhile
        while not all(each.done() for each in asked):
            assert loopback.get(versions).status_code == 200
            answered += not all(each.done() for each in asked)
        assert answered
        found = {each.result() for each in asked}
    assert found <= {"deadline", "busy", "paused"}
    assert world.metric("synapse_tim_directory_down") == 1
    # The retry time is over when one look-up is let through again.
    world.ti.faults.reset()
    wait_for(lambda: world.ask("@slow:clinic.example") == "org", what="the directory")
    assert world.metric("synapse_tim_directory_down") == 0


def test_the_log_says_why_and_nothing_about_users(world):
    world.ti.faults.owner_type = "everybody"
    assert world.ask("@secret-name:clinic.example") == "answer_malformed"
    text = world.server.log_text()
    lines = [line for line in text.splitlines() if "synapse_tim" in line and "directory" in line.lower()]
    assert any("The directory gave no answer: answer_malformed" in line for line in lines)
    assert not any("secret-name" in line for line in lines)
