"""The examples of docs/contacts.md, as requests to a running server."""

import json
import re

import pytest

from synapse_tim.contacts.migration_rules import MEANING, permission_document
from synapse_tim.contacts.rules import Contact
from tests.information.e2e.test_documentation import DOCS, as_curl, examples

pytestmark = pytest.mark.servers


def test_the_examples_of_contact_management(world):
    owner = world.owner()
    found = list(examples("contacts.md"))
    assert len(found) == 2
    for command, printed in found:
        answer = as_curl(command, owner.base_url, {"OPENID_TOKEN": owner.token, "USER_ID": owner.user_id})
        assert answer.raise_for_status().json() == json.loads(printed)


def test_the_permission_configuration_is_the_one_that_is_written():
    (written,) = re.findall(r"```json\n(.*?)```", (DOCS / "contacts.md").read_text(), re.DOTALL)
    contact = Contact("Erika", "@erika:practice.example.de", 0)
    assert json.loads(written) == permission_document("hospital.example.de", [contact])


def test_every_outcome_is_explained():
    text = (DOCS / "contacts.md").read_text()
    for outcome in MEANING:
        assert f"| `{outcome.value}` |" in text
