"""The examples of docs/information.md and docs/login.md, as requests to a running server."""

import json
import re
import shlex
from pathlib import Path

import pytest

from synapse_tim.login.rules.methods import ID_TOKEN_TYPE
from synapse_tim.testing import loopback
from synapse_tim.testing.servers.client import url_part
from tests.information.e2e.world import open_id_token

pytestmark = pytest.mark.servers

DOCS = Path(__file__).resolve().parents[3] / "docs"


def examples(document):
    """Commands, and what they print."""
    for body in re.findall(r"```sh\n(.*?)```", (DOCS / document).read_text(), re.DOTALL):
        yield from re.findall(r"(curl .*?)\n# ([^\n]*)", body, re.DOTALL)


def as_curl(command, base_url, variables):
    """Send what curl would send."""
    for name, value in variables.items():
        command = command.replace(f"${name}", value)
    arguments = shlex.split(command.replace("\\\n", " "))[1:]
    options = {"method": "GET", "headers": {}, "content": None}
    url = None
    while arguments:
        argument = arguments.pop(0)
        if argument == "-H":
            name, _, value = arguments.pop(0).partition(": ")
            options["headers"][name] = value
        elif argument == "-X":
            options["method"] = arguments.pop(0)
        elif argument == "-d":
            options["content"] = arguments.pop(0)
        else:
            url = argument.replace("https://hospital.example.de", base_url)
    return loopback.request(url=url, **options)


def test_the_examples_of_the_information_services(world):
    user = world.user(world.clinic)
    variables = {"OPENID_TOKEN": open_id_token(user), "ACCESS_TOKEN": user.access_token}
    found = list(examples("information.md"))
    assert len(found) == 3
    for command, printed in found:
        here = [text.replace("insurer.example.de", world.insurer.server_name) for text in (command, printed)]
        answer = as_curl(here[0], user.base_url, variables)
        assert answer.raise_for_status().json() == json.loads(here[1])


@pytest.mark.logins_of_synapse
def test_a_token_for_an_account_that_an_administrator_links(world):
    """``docs/login.md``: the request to the admin API, and the body of a login."""
    text = (DOCS / "login.md").read_text()
    (request,) = re.findall(r"```http\n(.*?)```", text, re.DOTALL)
    line, body = request.strip().split("\n")
    method, path = line.split()
    user, administrator = world.user(world.clinic), world.user(world.clinic, admin=True)
    path = path.replace("@doctor:messenger.example.de", url_part(user.user_id))
    answer = loopback.request(
        method,
        world.clinic.client_url + path,
        json=json.loads(body),
        headers={"Authorization": f"Bearer {administrator.access_token}"},
    )
    assert answer.raise_for_status().json()["external_ids"] == json.loads(body)["external_ids"]
    (log_in,) = re.findall(r"```json\n(.*?)```", text, re.DOTALL)
    assert json.loads(log_in)["type"] == ID_TOKEN_TYPE
    refused = loopback.post(f"{user.base_url}/_matrix/client/v3/login", json=json.loads(log_in))
    assert (refused.status_code, refused.json()["errcode"]) == (403, "M_FORBIDDEN")
