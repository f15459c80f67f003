"""What the tests of the rules share: a moment, lists in JSON, and the check of a refusal."""

import contextlib
import datetime as dt
import json
from collections.abc import Iterator
from typing import Any

import pytest

from synapse_tim.rules.refusals import ListRefusedError, Refusal

NOW = dt.datetime(2026, 6, 1, 12, 0, tzinfo=dt.UTC)
SECOND, MINUTE, HOUR, DAY = (dt.timedelta(**{unit: 1}) for unit in ("seconds", "minutes", "hours", "days"))


@contextlib.contextmanager
def refused(reason: Refusal) -> Iterator[pytest.ExceptionInfo[ListRefusedError]]:
    """What is inside has to be refused, and for this reason."""
    with pytest.raises(ListRefusedError) as caught:
        yield caught
    assert caught.value.reason is reason, str(caught.value)


def entry(domain: Any = "hospital.example", insurance: Any = False, **members: Any) -> dict[str, Any]:
    """An element of ``domainList``."""
    return {"domain": domain, "telematikID": "1-2arvtst-ap000052", "isInsurance": insurance, **members}


def document(*rows: Any, version: Any = 7, **members: Any) -> bytes:
    """The payload of a list."""
    return json.dumps({"version": version, "domainList": list(rows), **members}).encode()
