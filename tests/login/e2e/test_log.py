"""A_22813: with example_log.yaml, logging in and being refused leave nothing about persons in the log."""

from pathlib import Path

import pytest

from synapse_tim.testing import SynapseServer
from tests.login.e2e.test_single_sign_on import Browser
from tests.login.e2e.world import DOCTOR, PHARMACIST, SSO, LoginWorld, central, log_in, module, single_sign_on

pytestmark = pytest.mark.servers

EXAMPLE = Path(__file__).parents[3] / "example_log.yaml"


@pytest.fixture
def here(ti, start, tmp_path):
    """A server with single sign-on whose log configuration is the example."""
    mapping = {"profile": "gematik_idp", "professions": [DOCTOR], "localpart": {"template": "sso-{idNummer}"}}
    server = SynapseServer(
        "clinic",
        tmp_path / "clinic",
        ti.world,
        modules=[module(ti, "pro", {"providers": [central(ti)]})],
        extra={**SSO, "oidc_providers": [single_sign_on(ti, "clinic", mapping)]},
    )
    server.config["public_baseurl"] = f"{server.federation_url}/"
    example = tmp_path / "example_log.yaml"
    example.write_text(EXAMPLE.read_text().replace("/var/lib/synapse", str(server.directory)))
    server.config["log_config"] = str(example)
    return LoginWorld(ti, start(server), server, None, None)


@pytest.mark.requirement("A_22813")
def test_a_22813_logins_leave_nothing_about_persons(here):
    doctor, pharmacist = here.doctor(), here.doctor(profession_oid=PHARMACIST)
    for _ in range(2):
        session = Browser(here, here.clinic, doctor).session("clinic").json()
        assert log_in(here.clinic, here.card_token(doctor)).status_code == 200
    Browser(here, here.clinic, pharmacist).refused("clinic", "profession_not_permitted", "may not use")
    assert log_in(here.clinic, here.card_token(pharmacist)).status_code == 403
    lines = here.clinic.log_text().splitlines()
    assert any("ID token refused: profession_not_permitted" in line for line in lines)
    personal = ["@sso-", session["user_id"], session["device_id"]]
    for person in (doctor, pharmacist):
        personal += [person.id_nummer, person.id_nummer.lower(), person.family_name]
    noise = ["Traceback", "synapse.handlers.oidc"]
    assert [line for line in lines if any(told in line for told in personal + noise)] == []
