"""Single sign-on in a real browser (AF_10234, R4.4): what somebody gets to see, refused or not."""

import pytest

from synapse_tim.testing.simulator.idp.cards import Card
from tests.login.e2e.world import CLIENT, PHARMACIST, reasons
from tests.support.browser import needs_chromium, text_of_page

pytestmark = [pytest.mark.servers, needs_chromium]


@pytest.fixture
def visit(world, tmp_path):
    """Open single sign-on of a server as a person; returns what there is to read in the end."""
    ti = world.ti

    def open_page(server, idp, person):
        people = ti.idp.cards if isinstance(person, Card) else ti.sectoral.persons
        people["visitor"] = person
        ti.broker.preselected = "visitor"
        try:
            return text_of_page(
                f"{server.federation_url}{CLIENT}/login/sso/redirect/oidc-{idp}"
                "?redirectUrl=https://messenger.invalid/",
                tmp_path / "profile",
            )
        finally:
            ti.broker.preselected = None
            del people["visitor"]

    return open_page


def test_af_10234_a_person_insured_elsewhere_reads_where_to_go(world, visit):
    text = visit(world.insurer, "insurer", world.insured(ik="109999994"))
    assert "You are insured elsewhere. Please use the messenger of your health insurer." in text


def test_af_10234_an_insured_person_gets_to_the_messenger(world, visit):
    before = reasons(world.insurer).get("accepted", 0)
    text = visit(world.insurer, "insurer", world.insured())
    assert "messenger.invalid" in text  # Synapse asks before it hands the login on to an unknown address
    assert "Continue" in text
    assert reasons(world.insurer)["accepted"] == before + 1


def test_a_profession_that_may_not_log_in_reads_why(world, visit):
    text = visit(world.clinic, "clinic", world.doctor(profession_oid=PHARMACIST))
    assert "Your profession may not use this messenger." in text


def test_nobody_reads_anything_about_somebody_else(world, visit):
    person = world.insured(kvnr="x-is-no-number")
    text = visit(world.insurer, "insurer", person)
    assert "Your login could not be used." in text
    assert "x-is-no-number" not in text
    assert person.family_name not in text
