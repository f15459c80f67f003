"""Secrets of a configuration do not get into texts about it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synapse_tim.check.redaction import Redactor

SECRET = "correct horse battery"


@pytest.mark.parametrize(
    "document",
    [
        {"turn_shared_secret": SECRET},
        {"redis": {"password": SECRET}},
        {"email": {"smtp_pass": SECRET}},
        {"oidc_providers": [{"client_secret_jwt_key": {"key": SECRET}}]},
        {"signing_key": SECRET},
        {"as_token": [SECRET, "other"]},
        {"sentry": {"dsn": SECRET}},
        {"password_config": {"pepper": SECRET}},
    ],
)
def test_values_of_secret_keys_are_hidden(document):
    assert Redactor(document).hide(f"found '{SECRET}', expected") == "found '…', expected"


@pytest.mark.parametrize(
    "document",
    [
        {"turn_shared_secret_path": SECRET},
        {"refresh_token_lifetime": SECRET},
        {"token_url": SECRET},
        {"server_name": SECRET},
        {"client_secret": {"nested": SECRET}},
    ],
)
def test_other_values_are_shown(document):
    assert Redactor(document).hide(SECRET) == SECRET


def test_numbers_are_secrets_too_and_switches_are_none():
    hide = Redactor({"form_secret": 12345678, "password_login": True, "pass": "abc"}).hide
    assert hide("12345678 is no string, true, abc") == "… is no string, true, abc"


def test_the_longer_one_goes_first():
    assert Redactor({"a_secret": "abcd", "b_secret": "abcdefgh"}).hide("abcdefgh") == "…"


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("https://user:password@host/x", "https://…@host/x"),
        ("redis://:password@host", "redis://…@host"),
        ("mail to a@b.example", "mail to a@b.example"),
        ("https://host/@user", "https://host/@user"),
    ],
)
def test_names_and_passwords_in_urls_are_hidden(text, hidden):
    assert Redactor({}).hide(text) == hidden


@given(
    st.recursive(
        st.none() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    ),
    st.text(),
)
def test_any_document_and_any_text(document, text):
    assert isinstance(Redactor(document).hide(text), str)


def test_a_document_that_leads_to_itself():
    document = {"list": []}
    document["list"].append(document)
    assert Redactor(document).hide("x") == "x"
