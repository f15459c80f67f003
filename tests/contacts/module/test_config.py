"""The block of contact management."""

import pytest
from synapse.module_api.errors import ConfigError

from synapse_tim.contacts.config import ContactManagementConfig
from synapse_tim.contacts.module import ContactManagement
from synapse_tim.core.products import Product, SpecVersion


def parse(spec_version="legacy-1.1", **block):
    return ContactManagement.parse_config({"product": "pro", "spec_version": spec_version, **block})


def test_without_a_block_there_are_defaults():
    for config in (parse(), parse(contacts={})):
        assert config.contacts_in_force.max_contacts == 5000
        document = config.contacts_in_force.info.document()
        assert document["version"] == "1.0.3"
        assert document.keys() == {"title", "description", "version"}


def test_the_operator_says_who_it_is():
    about = {"title": "T", "description": None, "contact": "it@clinic.example"}
    config = parse(contacts={**about, "max_contacts": 7})
    assert config.contacts_in_force.max_contacts == 7
    assert config.contacts_in_force.info.document() == {
        "title": "T",
        "contact": "it@clinic.example",
        "version": "1.0.3",
    }


@pytest.mark.parametrize("spec_version", ["1.1", "1.2"])
def test_later_generations_have_no_contact_management(spec_version):
    with pytest.raises(ConfigError) as caught:
        parse(spec_version, contacts={})
    assert "config.contacts: contact management belongs to spec_version 'legacy-1.1'" in caught.value.msg
    assert "synapse-tim contacts migrate" in caught.value.msg
    with pytest.raises(ConfigError) as caught:
        parse(spec_version)
    assert "config.spec_version: synapse_tim.ContactManagement belongs to 'legacy-1.1'" in caught.value.msg
    ContactManagementConfig(product=Product.PRO, spec_version=SpecVersion(spec_version))


@pytest.mark.parametrize(
    ("block", "path"),
    [
        ({"max_contacts": 0}, "contacts.max_contacts"),
        ({"max_contacts": "7"}, "contacts.max_contacts"),
        ({"max_contacts": True}, "contacts.max_contacts"),
        ({"max_contacts": 10_001}, "contacts.max_contacts"),
        ({"title": ""}, "contacts.title"),
        ({"titel": "T"}, "contacts.titel"),
    ],
)
def test_a_wrong_key_is_named(block, path):
    with pytest.raises(ConfigError) as caught:
        parse(contacts=block)
    assert f"config.{path}: " in caught.value.msg
