"""Where the name of a server leads to: scripted answers for discovery; certificates are met in tests/cli."""

import ssl

import pytest

from synapse_tim.check import endpoints as own_endpoints
from synapse_tim.check.endpoints import look_at_endpoints, trust_of_others
from synapse_tim.check.facts import Endpoint
from synapse_tim.testing import make_world
from synapse_tim.transport.errors import TransportError, TransportReason
from synapse_tim.transport.fetcher import Response

WELL_KNOWN = "https://messenger.example/.well-known/matrix/server"
UNREACHABLE = TransportError(TransportReason.UNREACHABLE, "messenger.example: ConnectError: no route")


@pytest.fixture
def answers(monkeypatch):
    """What is answered at which URL; nobody is at others. Notes the deadlines."""
    found = {"deadlines": []}

    class Scripted:
        def __init__(self, context):
            pass

        def get(self, url, *, max_bytes, deadline):
            found["deadlines"].append(deadline)
            answer = found.get(url, UNREACHABLE)
            if isinstance(answer, Exception):
                raise answer
            return Response(200, bytearray(answer))

        def close(self):
            found["closed"] = True

    monkeypatch.setattr(own_endpoints, "Fetcher", Scripted)
    return found


def look(name, **more):
    return look_at_endpoints(name, ssl.create_default_context(), **more)


def test_the_well_known_document_says_where_the_federation_api_is(answers):
    answers[WELL_KNOWN] = b'{"m.server": "Matrix.Example:443"}'
    answers["https://matrix.example:443/_matrix/key/v2/server"] = b"{}"
    assert look("messenger.example") == [
        Endpoint(WELL_KNOWN, True, True, "status 200"),
        Endpoint("https://matrix.example:443/_matrix/key/v2/server", True, True, "status 200"),
    ]
    assert answers["closed"]


@pytest.mark.parametrize(
    "document",
    [b"", b"[]", b"{", b'{"m.server": 7}', b'{"m.server": "a b/c"}', b'{"m.server": ""}', b"[" * 60000],
    ids=range(7),
)
def test_otherwise_it_is_at_the_usual_port(answers, document):
    answers[WELL_KNOWN] = document
    assert look("messenger.example")[1].url == "https://messenger.example:8448/_matrix/key/v2/server"


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("messenger.example:8443", "https://messenger.example:8443/_matrix/key/v2/server"),
        ("192.0.2.1", "https://192.0.2.1:8448/_matrix/key/v2/server"),
        ("192.0.2.1:443", "https://192.0.2.1:443/_matrix/key/v2/server"),
    ],
)
def test_a_name_with_a_port_and_an_address_lead_there_by_themselves(answers, name, url):
    assert [each.url for each in look(name)] == [url]


@pytest.mark.parametrize(
    ("error", "reached", "trusted"),
    [
        (UNREACHABLE, False, False),
        (TransportError(TransportReason.DEADLINE, "late"), False, False),
        (
            TransportError(TransportReason.UNREACHABLE, "expired", is_certificate_refused=True),
            True,
            False,
        ),
        (TransportError(TransportReason.REDIRECT, "status 302"), True, True),
        (TransportError(TransportReason.TOO_LARGE, "much"), True, True),
    ],
)
def test_only_a_certificate_can_be_wrong(answers, error, reached, trusted):
    answers["https://messenger.example:1/_matrix/key/v2/server"] = error
    (endpoint,) = look("messenger.example:1")
    assert (endpoint.reached, endpoint.trusted) == (reached, trusted)


def test_everything_together_ends_in_time(answers):
    times = iter([0, 0, 25])
    look("messenger.example", seconds=30, clock=lambda: next(times))
    assert answers["deadlines"] == [10, 5]
    answers["deadlines"].clear()
    times = iter([0, 0, 31])
    (_, late) = look("messenger.example", seconds=30, clock=lambda: next(times))
    assert (late.reached, late.detail) == (False, "no time left")
    assert answers["deadlines"] == [10]


def test_cas_of_the_operator(tmp_path):
    file = tmp_path / "ca.pem"
    file.write_bytes(make_world().tls_ca.pem)
    context = trust_of_others([str(file), str(file)])
    assert len(context.get_ca_certs()) == 1
    with pytest.raises(OSError):
        trust_of_others([str(tmp_path / "absent.pem")])
