"""gematik's OpenAPI documents, held against a real server: they make the requests and check the answers.

The documents take any text for a code, a server name or a procedure. Where this server wants more, that is
written into them first, so that everything else has to be accepted.
"""

import itertools
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, settings

from synapse_tim.information.client_report import MAX_ENTRIES, MAX_EVENTS, MAX_LENGTH
from tests.information.e2e.world import asking

schemathesis = pytest.importorskip("schemathesis")
DOCUMENTS = Path(__file__).parents[4] / "shared" / "data" / "gematik"
if not DOCUMENTS.is_dir():
    pytest.skip(f"gematik's documents are not at hand: no directory {DOCUMENTS}", allow_module_level=True)

pytestmark = pytest.mark.servers

#: The same requests each time, and not too many of them.
bounded = settings(max_examples=25, derandomize=True, database=None, suppress_health_check=list(HealthCheck))


def information():
    document = yaml.safe_load((DOCUMENTS / "TiMessengerInformation.yaml").read_text())
    label = "[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
    patterns = {"ikNumber": "^[0-9]{9}$", "serverName": rf"^{label}(\.{label})*(:[0-9]{{1,5}})?$"}
    # The document demands a token for everything, and has no answer to a missing one here.
    unauthorized = {"$ref": "#/components/responses/Unauthorized"}
    document["paths"]["/"]["get"]["responses"].setdefault("401", unauthorized)
    for path in document["paths"].values():
        for parameter in path["get"].get("parameters", []):
            parameter["schema"].update(pattern=patterns[parameter["name"]], maxLength=230)
    return schemathesis.openapi.from_dict(document)


def client_report():
    document = yaml.safe_load((DOCUMENTS / "TIMessengerClientReport.yaml").read_text())
    report = document["components"]["schemas"]["StructuredDataClientReport"]["properties"]
    report["start"]["format"] = "date-time"
    for direction in ("sent", "received"):
        report[direction]["maxItems"] = MAX_ENTRIES
    entry = document["components"]["schemas"]["FachverfahrenEntry"]["properties"]
    for name in ("Fachverfahren", "Version"):
        entry[name].update(minLength=1, maxLength=MAX_LENGTH, pattern="^[^\0]+$")
    entry["Anzahl"].update(minimum=0, maximum=MAX_EVENTS)
    return schemathesis.openapi.from_dict(document)


@pytest.fixture(scope="module")
def doctor(world):
    return asking(world.user())


@pytest.fixture(scope="module")
def clients(world):
    """Many, since each of them may report only so often."""
    return itertools.cycle([world.user() for _ in range(60)])


@information().parametrize()
@bounded
def test_r5_1_to_r5_4_the_information_service_is_as_gematik_describes_it(case, world, doctor):
    headers = {"Authorization": f"Bearer {doctor.token}"}
    case.call_and_validate(base_url=f"{doctor.base_url}/tim-information", headers=headers)


@client_report().parametrize()
@bounded
def test_r5_10_reports_are_taken_as_gematik_describes_them(case, world, clients):
    client = next(clients)
    headers = {"Authorization": f"Bearer {client.access_token}"}
    case.call_and_validate(base_url=f"{client.base_url}/tim-client-report", headers=headers)
