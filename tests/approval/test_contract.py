"""gematik's document, held against the test driver in front of a real server: it makes the requests.

The device in the paths is claimed and logged in. Types of media are real ones, since any text is one to the
document.
"""

import json
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, settings

from tests.approval.actors import CLAIM_SECONDS
from tests.approval.servers import serving

schemathesis = pytest.importorskip("schemathesis")
DOCUMENT = Path(__file__).parents[3] / "shared" / "data" / "gematik" / "TiMessengerTestTreiber.yaml"
if not DOCUMENT.exists():
    pytest.skip(f"gematik's document is not at hand: no {DOCUMENT}", allow_module_level=True)

from schemathesis.specs.openapi.checks import (  # noqa: E402
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

pytestmark = pytest.mark.servers
CHECKS = [content_type_conformance, response_schema_conformance, status_code_conformance]
bounded = settings(max_examples=8, derandomize=True, database=None, suppress_health_check=list(HealthCheck))


def interface():
    # Times in examples are texts, which they are not in YAML.
    document = json.loads(json.dumps(yaml.safe_load(DOCUMENT.read_text()), default=str))
    document["components"]["parameters"]["deviceId"]["schema"].update(enum=[1])
    (content_type,) = document["paths"]["/devices/{deviceId}/media"]["post"]["parameters"]
    content_type["schema"]["enum"] = ["text/plain", "image/png"]
    # Unlike everything else, an upload has no answer but success; who is not logged in gets one.
    responses = document["paths"]["/devices/{deviceId}/media"]["post"]["responses"]
    responses["default"] = {"$ref": "#/components/responses/DefaultResponse"}
    return schemathesis.openapi.from_dict(document)


@pytest.fixture(scope="module")
def hospital(tmp_path_factory):
    servers = (("pro-a", "pro"),)
    with serving("1.2", tmp_path_factory.mktemp("contract"), servers) as (client, _admin):
        yield client


@interface().parametrize()
@bounded
def test_the_driver_is_as_gematik_describes_it(case, hospital):
    claim = {"claimerName": "contract", "claimFor": CLAIM_SECONDS}
    hospital.request("unclaimDevice", 1)
    assert hospital.request("claimDevice", 1, body=claim).status_code == 200
    if hospital.request("readAccount", 1).status_code == 401:
        assert hospital.request("login", 1).status_code == 200
    answer = case.call_and_validate(base_url=hospital.url, checks=CHECKS)
    assert answer.status_code not in (500, 502)
