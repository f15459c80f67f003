"""The pages of the gateway in a real browser (AF_10057); their policy allows no scripts."""

import pytest

from tests.gateway.e2e.world import CLIENT, Browser, doctor
from tests.login.e2e.world import PHARMACIST, reasons
from tests.support.browser import needs_chromium, text_of_page

pytestmark = [pytest.mark.servers, pytest.mark.one_process, needs_chromium]


@pytest.fixture
def visit(clinic, ti, tmp_path):
    """Log in as a person; returns what there is to read in the end."""

    def log_in(person):
        with Browser(ti, person).known():
            return text_of_page(
                f"{clinic.federation_url}{CLIENT}/login/sso/redirect/oidc-synapse"
                "?redirectUrl=https://messenger.invalid/",
                tmp_path / "profile",
            )

    return log_in


def test_af_10057_a_doctor_gets_to_the_messenger(clinic, visit):
    before = reasons(clinic).get("accepted", 0)
    text = visit(doctor())
    assert "messenger.invalid" in text and "Continue" in text
    assert reasons(clinic)["accepted"] == before + 1


def test_af_10057_a_profession_that_may_not_log_in_reads_why(visit):
    text = visit(doctor(profession_oid=PHARMACIST))
    assert "profession" in text and "Reference: " in text


@pytest.mark.parametrize(
    ("language", "heading", "provider"), [("de-DE", "Anmelden", "Broker"), ("en-GB", "Log in", "Broker")]
)
def test_whoever_chooses_reads_their_language(party, tmp_path, language, heading, provider):
    option = f"--accept-lang={language}"
    text = text_of_page(party.ask(prompt="select_account"), tmp_path / "profile", option)
    assert heading in text and provider in text


@pytest.mark.parametrize(
    ("language", "words"), [("de-DE", "Diese Anmeldung"), ("en-GB", "This login is over")]
)
def test_a_page_says_what_is_wrong_where_no_relying_party_is_known(party, tmp_path, language, words):
    url = party.ask(redirect_uri="https://elsewhere.invalid/")
    text = text_of_page(url, tmp_path / "profile", f"--accept-lang={language}")
    assert words in text and "elsewhere.invalid" not in text
