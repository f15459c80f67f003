"""``synapse-tim check`` and the block ``directory``."""

import copy
import json

import pytest
import yaml

from synapse_tim.cli import main
from synapse_tim.core.products import Product, SpecVersion
from tests.cli.configurations import make_files, sound

URL = "https://directory.example"


@pytest.fixture
def check(tmp_path, capsys):
    """What is violated in a configuration that has a directory besides."""
    make_files(tmp_path)
    (tmp_path / "vzd_secret").touch(mode=0o600)
    (tmp_path / "vzd_secret").write_text("secret")

    def check(listed=False, first=False, **changes):
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
        if listed:
            config["modules"][0]["config"]["federation_list"] |= {"vzd_credentials": block["vzd_credentials"]}
            block |= {"vzd_credentials": None}
        part = {"product": "pro", "spec_version": "1.2", "directory": block if block["url"] else None}
        module = {"module": "synapse_tim.Directory", "config": part}
        config["modules"].insert(0 if first else 1, module)
        (tmp_path / "homeserver.yaml").write_text(yaml.safe_dump(config))
        main(["check", str(tmp_path / "homeserver.yaml"), "--json"])
        results = json.loads(capsys.readouterr().out)["results"]
        return {(line["key"], line["found"]) for line in results if line["verdict"] == "violation"}

    return check


def test_a_directory_that_can_be_asked_is_no_violation(check):
    assert check() == set()


def test_the_log_in_may_be_that_of_another_part(check):
    assert check(listed=True) == set()


@pytest.mark.parametrize(
    ("changes", "position"), [({"vzd_credentials": None}, 1), ({"listed": True, "first": True}, 0)]
)
def test_a_log_in_that_nobody_has_or_that_comes_later_is_one(check, changes, position):
    """Synapse makes the parts in their order, and does not start."""
    ((key, found),) = check(**changes)
    assert key == f"modules[{position}].config.directory.vzd_credentials"
    assert "required" in found


def test_a_part_without_its_block_is_one(check):
    assert check(url=None) == {("modules[1].config.directory", "this key is required")}


def test_a_url_without_tls_is_one(check):
    ((key, found),) = check(url="http://directory.example")
    assert key == "modules[1].config.directory.url"
    assert "https" in found


def test_an_empty_secret_is_one(check, tmp_path):
    (tmp_path / "vzd_secret").write_text("")
    ((key, found),) = check()
    assert key == "modules[1].config.directory.vzd_credentials.client_secret_path"
    assert "empty" in found


def test_contact_management_in_another_generation_is_one(tmp_path, capsys):
    make_files(tmp_path)
    config = copy.deepcopy(sound(tmp_path, Product.PRO, SpecVersion.V1_2))
    part = {"product": "pro", "spec_version": "1.2"}
    config["modules"].append({"module": "synapse_tim.ContactManagement", "config": part})
    (tmp_path / "homeserver.yaml").write_text(yaml.safe_dump(config))
    main(["check", str(tmp_path / "homeserver.yaml"), "--json"])
    results = json.loads(capsys.readouterr().out)["results"]
    (violation,) = [line for line in results if line["verdict"] == "violation"]
    assert violation["key"] == "modules[1].config.spec_version"
    assert "belongs to 'legacy-1.1'" in violation["found"]
