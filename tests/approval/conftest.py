"""Test drivers for the scenarios: one for the launcher's servers, or those that ``--driver`` names."""

import contextlib
import ssl

import httpx
import pytest

from tests.approval.actors import Interface
from tests.approval.servers import serving


def pytest_addoption(parser):
    parser.addoption(
        "--driver",
        action="append",
        default=[],
        metavar="URL",
        help="play the scenarios against this interface of a test driver; may be given several times",
    )
    parser.addoption("--driver-ca", metavar="FILE", help="the CA of those test drivers, PEM")
    parser.addoption("--driver-certificate", metavar="FILE", help="a client certificate with its key, PEM")


@pytest.fixture(scope="session")
def strangers(request):
    """The interfaces that ``--driver`` names."""
    urls = request.config.getoption("--driver", [])
    if not urls:
        return []
    context = ssl.create_default_context(cafile=request.config.getoption("--driver-ca"))
    if certificate := request.config.getoption("--driver-certificate"):
        context.load_cert_chain(certificate)
    http = httpx.Client(verify=context, trust_env=False, timeout=120)
    return [Interface.at(url.rstrip("/"), http, client_api(url, http)) for url in urls]


def client_api(url, http):
    """Where clients of a homeserver are served (Matrix, client-server API, well-known URI)."""
    name = http.get(f"{url.rstrip('/')}/").raise_for_status().json()["homeserver"]
    try:
        found = http.get(f"https://{name}/.well-known/matrix/client").raise_for_status().json()
        return found["m.homeserver"]["base_url"].rstrip("/")
    except (httpx.HTTPError, ValueError, KeyError):
        return f"https://{name}"


@pytest.fixture(scope="session")
def interfaces_of(strangers, tmp_path_factory):
    """All interfaces for a generation; servers of our own are those of one generation at a time."""
    with contextlib.ExitStack() as stack:
        running = {}

        def interfaces_of(generation):
            if strangers:
                return [each for each in strangers if each.generation == generation]
            if generation not in running:
                running.clear()
                stack.close()
                directory = tmp_path_factory.mktemp("approval")
                running[generation] = stack.enter_context(serving(generation, directory))
            return running[generation]

        yield interfaces_of
