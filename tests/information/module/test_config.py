"""The block ``information``: mistakes name their key, and who says nothing is told what is missing."""

import pytest
from synapse.module_api.errors import ConfigError

from synapse_tim import InformationServices, TiMessenger
from synapse_tim.core.products import Product
from tests.support.blocks import any_part

FEDERATION_LIST = {
    "url": "https://list.example/federationList.jws",
    "trust": {"pinned_roots": ["ab" * 32], "ocsp": "off"},
}
CONTACT = {
    "role": "m.role.admin",
    "email_address": "help@clinic.example",
    "matrix_id": "@help:clinic.example",
}


def parse(cls=InformationServices, product="pro", **information):
    more = {"federation_list": FEDERATION_LIST} if cls is TiMessenger else {}
    block = {"product": product, "spec_version": "1.2", "information": information, **more}
    return any_part(cls.parse_config(block)).information


@pytest.mark.parametrize("cls", [InformationServices, TiMessenger])
@pytest.mark.parametrize("product", Product)
def test_who_says_nothing_gets_what_gematik_demands_and_no_more(cls, product):
    config = parse(cls, product.value)
    assert not config.accept_access_tokens
    assert not config.client_report
    assert config.client_report_procedures is None
    assert config.support is None
    assert config.info.document().keys() == {"title", "description", "version"}


def test_the_block_may_be_missing():
    block = {"product": "epa", "spec_version": "1.1"}
    assert InformationServices.parse_config(block).information == parse()


def test_a_26265_the_document_is_what_is_configured():
    support = {"contacts": [CONTACT], "support_page": "https://clinic.example/help"}
    assert parse(support=support).support.document() == support
    assert parse(support={"contacts": [CONTACT]}).support.document() == {"contacts": [CONTACT]}


@pytest.mark.parametrize("cls", [InformationServices, TiMessenger])
@pytest.mark.parametrize(
    ("information", "path", "says"),
    [
        ({"titel": "x"}, "titel", "unknown"),
        ({"title": ""}, "title", "expected a text"),
        ({"title": 1}, "title", "string"),
        ({"title": "x\0"}, "title", "expected a text"),
        ({"accept_access_tokens": "no"}, "accept_access_tokens", "boolean"),
        ({"client_report": 1}, "client_report", "boolean"),
        ({"client_report_procedures": "x"}, "client_report_procedures", "list"),
        ({"client_report_procedures": [""]}, "client_report_procedures[0]", "expected a text"),
        ({"support": []}, "support", "dictionary"),
        ({"support": {}}, "support", "expected contacts, support_page or both"),
        ({"support": {"contacts": []}}, "support.contacts", "at least one"),
        ({"support": {"contacts": [{}]}}, "support.contacts[0].role", "required"),
        (
            {"support": {"contacts": [{"role": "m.role.admin"}]}},
            "support.contacts[0]",
            "email_address, matrix_id",
        ),
        (
            {"support": {"contacts": [{**CONTACT, "role": "admin"}]}},
            "support.contacts[0].role",
            "m.role.admin, ",
        ),
        (
            {"support": {"contacts": [CONTACT, {**CONTACT, "email_address": "help"}]}},
            "support.contacts[1].email_address",
            "expected an e-mail address",
        ),
        (
            {"support": {"contacts": [{**CONTACT, "matrix_id": "help"}]}},
            "support.contacts[0].matrix_id",
            "expected a user id",
        ),
        ({"support": {"contacts": [{**CONTACT, "phone": "1"}]}}, "support.contacts[0].phone", "unknown"),
        ({"support": {"support_page": "http://x.example"}}, "support.support_page", "expected an https URL"),
        ({"support": {"support_page": None, "contacts": None}}, "support", "expected contacts"),
    ],
)
def test_wrong_values_are_refused_with_their_path(cls, information, path, says):
    with pytest.raises(ConfigError) as caught:
        parse(cls, **information)
    assert f"modules[…].config.information.{path}: " in caught.value.msg
    assert says in caught.value.msg
