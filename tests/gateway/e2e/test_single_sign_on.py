"""Login through the gateway and Synapse's own single sign-on (AF_10057)."""

import pytest

from tests.gateway.e2e.world import LANDING, Browser, doctor, session_of, sso
from tests.login.e2e.world import profile

pytestmark = pytest.mark.servers


def test_af_10057_a_doctor_logs_in(clinic, ti):
    person = doctor()
    answer = Browser(ti, person).visit(sso(clinic), LANDING)
    assert answer.is_redirect, (answer.text, clinic.log_text()[-3000:])
    session = session_of(clinic, answer).json()
    assert session["user_id"] == f"@{person.id_nummer.lower()}:{clinic.server_name}"
    assert profile(clinic, session) == f"{person.family_name}, {person.given_name}"
