"""gematik's OpenAPI document, held against a real server: it makes the requests and checks the answers.

The document takes any text for a user id or a name, and any number for a time. Where this server wants more,
that is written into it first, so that everything else has to be accepted. Its examples of times are texts,
which its own schema refuses; the header is sent with every request, and has tests of its own.
"""

from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, settings

from synapse_tim.contacts.rules import LATEST, MAX_NAME

schemathesis = pytest.importorskip("schemathesis")
DOCUMENTS = Path(__file__).parents[4] / "shared" / "data" / "gematik"
if not DOCUMENTS.is_dir():
    pytest.skip(f"gematik's documents are not at hand: no directory {DOCUMENTS}", allow_module_level=True)

pytestmark = pytest.mark.servers

#: The same requests each time, and not too many of them.
bounded = settings(max_examples=25, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
_LABEL = "[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_NAME = rf"{_LABEL}(\.{_LABEL})*(:[0-9]{{1,5}})?"
MXID = rf"^@[!-9;-~]+:({_NAME}|\[[0-9A-Fa-f:.]{{2,45}}\](:[0-9]{{1,5}})?)$"


def contact_management():
    document = yaml.safe_load((DOCUMENTS / "TiMessengerContactManagement.yaml").read_text())
    components = document["components"]
    for path in document["paths"].values():
        path["parameters"] = [each for each in path.get("parameters", []) if "Header" not in each["$ref"]]
    components["parameters"]["mxid"]["schema"].update(pattern=MXID, maxLength=230)
    contact = components["schemas"]["Contact"]["properties"]
    contact["displayName"].update(maxLength=MAX_NAME, pattern="^[^\0]*$")
    contact["mxid"].update(pattern=MXID, maxLength=230)
    times = contact["inviteSettings"]["properties"]
    for time in times.values():
        time.update(example=int(time["example"]), minimum=0, maximum=LATEST)
    return schemathesis.openapi.from_dict(document)


def put_in_order(body):
    """The end is not before the start, which cannot be said in a schema."""
    settings = body.get("inviteSettings") if isinstance(body, dict) else None
    times = [settings.get(name) for name in ("start", "end")] if isinstance(settings, dict) else []
    if times and all(type(time) is int and 0 <= time <= LATEST for time in times):
        settings["start"], settings["end"] = sorted(times)


@pytest.fixture(scope="module")
def owner(world):
    return world.owner()


@contact_management().parametrize()
@bounded
def test_contact_management_is_as_gematik_describes_it(case, world, owner):
    put_in_order(case.body)
    case.call_and_validate(base_url=f"{owner.base_url}/tim-contact-mgmt/v1.0.2", headers=owner.headers)
