"""A_26265: who can be turned to, and how that is written."""

import pytest

from synapse_tim.information.support_contacts import (
    SupportContact,
    is_email_address,
    is_page,
    is_role,
    is_user_id,
    support_document,
)


def test_a_26265_the_document_has_what_there_is():
    contacts = [
        SupportContact("m.role.admin", "a@b.example"),
        SupportContact("m.role.security", None, "@a:b.example"),
    ]
    assert support_document(contacts, None) == {
        "contacts": [
            {"role": "m.role.admin", "email_address": "a@b.example"},
            {"role": "m.role.security", "matrix_id": "@a:b.example"},
        ]
    }
    assert support_document([], "https://b.example/") == {"support_page": "https://b.example/"}


@pytest.mark.parametrize(
    "role", ["m.role.admin", "m.role.security", "de.gematik.role.org-admin", "example.role_2"]
)
def test_r5_11_roles(role):
    assert is_role(role)


@pytest.mark.parametrize(
    "role",
    [
        "",
        "admin",
        "m.role.boss",
        "m.role",
        "M.role.admin",
        "a.",
        ".a",
        "a b.c",
        "é.x",
        "a.b\n",
        "a." + "b" * 300,
    ],
)
def test_r5_11_no_roles(role):
    assert not is_role(role)


@pytest.mark.parametrize(
    "address", ["a@b.example", "first.last+tag@mail.b.example", "o'neil@xn--rzte-koa.example"]
)
def test_r5_12_email_addresses(address):
    assert is_email_address(address)


@pytest.mark.parametrize(
    "address",
    [
        "",
        "a",
        "a@",
        "@b.example",
        "a@b",
        "a@b.",
        "a@.b.example",
        "a@-b.example",
        "a@192.0.2.1",
        "a b@c.example",
        "a@b@c.example",
        ".a@b.example",
        "a..b@c.example",
        "Support <a@b.example>",
        "mailto:a@b.example",
        "a@b.example\n",
        "a\0@b.example",
        "ä@b.example",
        "a" * 65 + "@b.example",
        "a@" + "b." * 130 + "example",
    ],
)
def test_r5_12_no_email_addresses(address):
    assert not is_email_address(address)


@pytest.mark.parametrize("user_id", ["@a:b.example", "@a.b_c=d/e+f-g:b.example:8448", "@1:localhost"])
def test_r5_12_user_ids(user_id):
    assert is_user_id(user_id)


@pytest.mark.parametrize(
    "user_id",
    [
        "",
        "a:b.example",
        "@:b.example",
        "@a",
        "@a:",
        "@A:b.example",
        "@a:B.example",
        "@a b:c.example",
        "@a:b.example:port",
        "#a:b.example",
        "@ä:b.example",
        "@a:b.example\n",
        "@" + "a" * 250 + ":b.example",
    ],
)
def test_r5_12_no_user_ids(user_id):
    assert not is_user_id(user_id)


@pytest.mark.parametrize(
    "page", ["https://b.example", "https://b.example:8443/help?lang=de#top", "https://B.example/%C3%A4"]
)
def test_r5_11_pages(page):
    assert is_page(page)


@pytest.mark.parametrize(
    "page",
    [
        "",
        "http://b.example/",
        "b.example",
        "//b.example",
        "https:b.example",
        "https://",
        "https:///help",
        "https://a:b@c.example/",
        "https://a@c.example/",
        "https://b.example:port/",
        "https://b.example:0/",
        "https://b.example/a b",
        "https://b.example/\n",
        "https://[::1/",
        "https://ä.example/",
        "javascript://b.example/",
        "https://localhost/",
    ],
)
def test_r5_11_no_pages(page):
    assert not is_page(page)
