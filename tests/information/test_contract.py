"""gematik's OpenAPI documents, held against a real server: requests made from them, answers checked by them."""

import itertools
import json

import pytest
import yaml
from hypothesis import HealthCheck, Phase, settings

from synapse_tim.rules.client_report import MAX_ENTRIES, MAX_EVENTS, MAX_LENGTH
from tests.information.world import IK, UNKNOWN_IK, asking
from tests.rules.helpers import GEMATIK

schemathesis = pytest.importorskip("schemathesis")
if not GEMATIK.is_dir():
    pytest.skip("gematik's documents are not at hand", allow_module_level=True)

pytestmark = pytest.mark.servers

#: The same requests each time, and not too many of them.
bounded = settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
