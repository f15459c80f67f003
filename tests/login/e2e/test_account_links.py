"""Accounts that another product has made without links: ``synapse-tim accounts link`` on a real server."""

import json
import re
import shlex
from pathlib import Path

import pytest

from synapse_tim.cli import main
from synapse_tim.testing import SynapseServer
from synapse_tim.testing.simulator.idp.cards import Card
from tests.login.e2e.world import AUDIENCE, DOCTOR, central, logged_in, module, refused

pytestmark = [pytest.mark.servers, pytest.mark.one_process, pytest.mark.logins_of_synapse]


@pytest.fixture
def clinic(ti, start, tmp_path, monkeypatch):
    """Its provider says who somebody is by the number of their card, after which accounts are named."""
    monkeypatch.setenv("NO_PROXY", "localhost,127.0.0.1")
    provider = central(ti, subject_claim="idNummer")
    login = {"providers": [provider], "permitted": ["id_token", "password"]}
    extra = {"federation_domain_whitelist": []}
    modules = [module(ti, "pro", login)]
    return start(SynapseServer("clinic", tmp_path / "clinic", ti.world, modules=modules, extra=extra))


@pytest.fixture
def run(clinic, tmp_path, capsys):
    token = tmp_path / "token"
    token.write_text(clinic.register("root", admin=True).access_token)
    token.chmod(0o600)

    def run(*more):
        access = ("--homeserver-url", clinic.client_url, "--access-token-file", str(token))
        code = main(["accounts", "link", str(clinic.config_path), *access, "--json", *more])
        printed = capsys.readouterr()
        assert token.read_text() not in printed.out + printed.err
        found = json.loads(printed.out)["accounts"] if printed.out else printed.err
        return code, found

    return run


def documented(clinic, links, directory):
    """What docs/moving.md has operators type, for this server; with what is after ``link``."""
    text = (Path(__file__).parents[3] / "docs" / "moving.md").read_text()
    places = {
        "homeserver.yaml": str(clinic.config_path),
        "http://127.0.0.1:8008": clinic.client_url,
        "administrator.token": str(directory / "token"),
        "links.csv": str(links),
    }
    for line in re.findall(r"^synapse-tim accounts link .*?[^\\\\]$", text, re.MULTILINE | re.DOTALL):
        words = shlex.split(line.replace("\\\n", " "))
        yield [places.get(word, word) for word in words[1:]]


def test_af_10057_accounts_without_links_are_linked_and_no_other_is(clinic, ti, run, tmp_path, capsys):
    card = Card(id_nummer="1-HBA-TEST-ONLY-9001", profession_oid=DOCTOR, family_name="Doktor")
    other = Card(id_nummer="1-HBA-TEST-ONLY-9002", profession_oid=DOCTOR, family_name="Andere")
    third = Card(id_nummer="1-HBA-TEST-ONLY-9003", profession_oid=DOCTOR, family_name="Dritte")

    def token(of):
        return ti.idp.mint(of, audience=AUDIENCE)

    named = clinic.register("1-hba-test-only-9001").user_id
    called = clinic.register("dora").user_id
    new = logged_in(clinic, token(third))["user_id"]
    refused(clinic, token(card), "not_linked")

    links = tmp_path / "links.csv"
    links.write_text(f"user_id,external_id\n{called},1-HBA-TEST-ONLY-9002\n{new},1-HBA-TEST-ONLY-9009\n")
    by_list, by_name = documented(clinic, links, tmp_path)
    assert (main(by_list), main(by_name)) == (1, 0)
    assert by_list[-1] == by_name[-1] == "--dry-run"
    capsys.readouterr()
    from_csv = ("--from-csv", str(links), "--provider", "idp-dienst")
    expected = {"linked": 1, "linked otherwise": 1}
    assert run(*from_csv, "--dry-run") == (1, expected)
    assert run(*from_csv) == (1, expected)
    assert run(*from_csv) == (1, {"already linked": 1, "linked otherwise": 1})
    assert logged_in(clinic, token(other))["user_id"] == called

    by_name = ("--provider", "idp-dienst", "--upper-case")
    assert run(*by_name, "--dry-run") == (0, {"linked": 1})
    refused(clinic, token(card), "not_linked")
    assert run(*by_name) == (0, {"linked": 1})
    assert run(*by_name) == (0, {})
    assert logged_in(clinic, token(card))["user_id"] == named
    assert logged_in(clinic, token(third))["user_id"] == new

    code, error = run("--provider", "unknown")
    assert (code, "no provider is configured with the id unknown" in error) == (2, True)
    code, error = run()
    assert (code, "--from-csv or --provider" in error) == (2, True)
