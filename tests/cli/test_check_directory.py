"""``synapse-tim check`` and the block ``directory``."""

import copy
import json

import pytest
import yaml

from synapse_tim.cli import main
from synapse_tim.rules.products import Product, SpecVersion
from tests.cli.configurations import make_files, sound

URL = "https://directory.example"


@pytest.fixture
def check(tmp_path, capsys):
    """What is violated in a configuration that has a directory besides."""
    make_files(tmp_path)
    (tmp_path / "vzd_secret").touch(mode=0o600)
    (tmp_path / "vzd_secret").write_text("secret")

    def check(**changes):
        block = {
            "url": URL,
            "vzd_credentials": {
                "token_url": f"{URL}/token",
                "authenticate_url": f"{URL}/authenticate",
                "client_id": "us",
                "client_secret_path": str(tmp_path / "vzd_secret"),
            },
            **changes,
        }
        config = copy.deepcopy(sound(tmp_path, Product.PRO, SpecVersion.V1_2))
        part = {"product": "pro", "spec_version": "1.2", "directory": block}
        config["modules"].append({"module": "synapse_tim.Directory", "config": part})
        (tmp_path / "homeserver.yaml").write_text(yaml.safe_dump(config))
        main(["check", str(tmp_path / "homeserver.yaml"), "--json"])
        results = json.loads(capsys.readouterr().out)["results"]
        return {(line["key"], line["found"]) for line in results if line["verdict"] == "violation"}

    return check


def test_a_directory_that_can_be_asked_is_no_violation(check):
    assert check() == set()


def test_the_log_in_may_be_that_of_another_part(check):
    assert check(vzd_credentials=None) == set()


def test_a_url_without_tls_is_one(check):
    ((key, found),) = check(url="http://directory.example")
    assert key == "modules[1].config.directory.url"
    assert "https" in found


def test_an_empty_secret_is_one(check, tmp_path):
    (tmp_path / "vzd_secret").write_text("")
    ((key, found),) = check()
    assert key == "modules[1].config.directory.vzd_credentials.client_secret_path"
    assert "empty" in found
