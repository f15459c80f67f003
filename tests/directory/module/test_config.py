"""The block ``directory``: what it may say, and where the rest comes from when it says little."""

import pytest
from synapse.module_api.errors import ConfigError

from synapse_tim.adapter.config_block import parse_block
from synapse_tim.directory.assembly import build_directory
from synapse_tim.directory.module import Directory
from synapse_tim.federation.config import FederationListConfig

URL = "https://directory.example"


@pytest.fixture
def credentials(tmp_path):
    (tmp_path / "secret").write_text("s3cret\n")

    def credentials(client_id="us"):
        return {
            "token_url": "https://auth.example/token",
            "authenticate_url": f"{URL}/ti-provider-authenticate",
            "client_id": client_id,
            "client_secret_path": str(tmp_path / "secret"),
        }

    return credentials


@pytest.fixture
def ca(tmp_path):
    (tmp_path / "ca.pem").write_text("no certificate")
    return str(tmp_path / "ca.pem")


def parse(**directory):
    return Directory.parse_config(
        {"product": "pro", "spec_version": "1.2", "directory": {"url": URL, **directory}}
    ).directory


def of_list(**changes):
    block = {"url": f"{URL}/list.jws", "trust": {"pinned_roots": ["ab" * 32], "ocsp": "off"}, **changes}
    return parse_block(FederationListConfig, block)


def test_defaults():
    config = parse()
    assert (config.cache, config.deadline) == (300_000, 30_000)
    assert config.base_url == URL


def test_a_gateway_may_have_a_path():
    assert parse(url=f"{URL}/vzd/").base_url == f"{URL}/vzd"


def test_a_slash_at_the_end_makes_no_difference():
    assert parse(url=f"{URL}/").base_url == URL


@pytest.mark.parametrize(
    ("directory", "message"),
    [
        ({"url": "http://directory.example"}, r"directory\.url: expected an https URL"),
        ({"url": f"{URL}/tim-provider-services"}, r"directory\.url: expected the base URL of the interfaces"),
        ({"url": f"{URL}?a=b"}, r"directory\.url: expected a URL without a query"),
        ({"url": "https://user:secret@directory.example"}, r"directory\.url: .*without user name"),
        ({"url": 7}, r"directory\.url"),
        ({"cache": "6m"}, r"directory\.cache: expected at most five minutes \(5m\)"),
        ({"cache": "0s"}, r"directory\.cache: expected a duration"),
        ({"deadline": "31s"}, r"directory\.deadline: expected at most half a minute \(30s\)"),
        ({"vzd_credentials": {}}, r"directory\.vzd_credentials\.token_url: this key is required"),
        ({"search_credentials": {}}, r"directory\.search_credentials\.token_url: this key is required"),
        ({"ca_certificates": "/nowhere.pem"}, r"directory\.ca_certificates: cannot read /nowhere\.pem"),
        ({"credentials": {}}, r"directory\.credentials: this key is unknown"),
    ],
)
def test_what_is_wrong_is_named(directory, message):
    with pytest.raises(ConfigError, match=r"modules\[…\]\.config\." + message):
        parse(**directory)


def test_the_log_in_is_that_of_the_list_unless_it_is_said_otherwise(credentials, ca):
    settings = of_list(vzd_credentials=credentials(), ca_certificates=ca)
    log_in = parse().log_in(settings)
    assert log_in.provider.client_id == "us"
    assert log_in.ca_certificates == ca
    assert log_in.search is None
    assert log_in.shared


def test_the_same_credentials_twice_are_one_log_in(credentials):
    assert parse(vzd_credentials=credentials()).log_in(of_list(vzd_credentials=credentials())).shared


def test_another_log_in_is_a_log_in_of_its_own(credentials):
    log_in = parse(vzd_credentials=credentials("others")).log_in(of_list(vzd_credentials=credentials()))
    assert log_in.provider.client_id == "others"
    assert not log_in.shared


def test_another_ca_is_a_log_in_of_its_own(credentials, ca):
    assert not parse(ca_certificates=ca).log_in(of_list(vzd_credentials=credentials())).shared


@pytest.mark.parametrize("has_list", [True, False])
def test_somebody_has_to_say_how_to_log_in(has_list):
    with pytest.raises(ConfigError, match=r"\.config\.directory\.vzd_credentials: this key is required"):
        parse().log_in(of_list() if has_list else None)


def test_files_are_read_at_start_up(credentials, ca, tmp_path):
    config = parse(vzd_credentials=credentials(), ca_certificates=ca)
    with pytest.raises(ConfigError, match=r"directory\.ca_certificates: holds no usable PEM"):
        build_directory(config, config.log_in(None))
    (tmp_path / "secret").write_text(" \n")
    config = parse(vzd_credentials=credentials())
    with pytest.raises(
        ConfigError, match=r"directory\.vzd_credentials\.client_secret_path: the file is empty"
    ):
        build_directory(config, config.log_in(None))
    config = parse(search_credentials=credentials())
    settings = of_list(vzd_credentials=credentials())
    with pytest.raises(ConfigError, match=r"federation_list\.vzd_credentials\.client_secret_path"):
        build_directory(config, config.log_in(settings))


def test_searches_may_have_a_log_in_of_their_own(credentials):
    config = parse(vzd_credentials=credentials(), search_credentials=credentials("searcher"))
    assert build_directory(config, config.log_in(None)).search.credentials.client_id == "searcher"
