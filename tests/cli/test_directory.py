"""``synapse-tim directory lookup``: what it takes an id for, what it prints, and when it has no answer."""

import json

import pytest
import yaml

from synapse_tim.cli import main
from synapse_tim.cli.directory import IdKind, kind_of
from synapse_tim.testing.paths import INSURED_SEARCH, LOCALIZATION, SEARCH, TOKEN
from synapse_tim.testing.simulator.directory.entries import ListedAddress

USER = "@alice:hospital.example"


@pytest.fixture
def ti(empty_ti):
    return empty_ti


@pytest.fixture
def write(tmp_path):
    """Writes a configuration and says where it is."""

    def write(*blocks, module="synapse_tim.TiMessenger"):
        path = tmp_path / "homeserver.yaml"
        path.write_text(yaml.safe_dump({"modules": [{"module": module, "config": each} for each in blocks]}))
        return str(path)

    return write


@pytest.fixture
def look_up(ti, write, capsys):
    """Runs the command with a configuration for the simulator."""

    def look_up(asked, *options, config=None):
        config = config or write({"directory": ti.directory_config()})
        code = main(["directory", "lookup", asked, "--config", config, *options])
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return look_up


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (USER, IdKind.MXID),
        ("matrix:u/alice:hospital.example", IdKind.MXID),
        ("MATRIX:U/alice:hospital.example", IdKind.MXID),
        ("109500969", IdKind.IK),
        ("10950096", IdKind.TELEMATIK_ID),
        ("5-2-KH-APO-Waldesrand-01", IdKind.TELEMATIK_ID),
    ],
)
def test_it_knows_what_kind_of_id_it_got(text, kind):
    assert kind_of(text) is kind


def test_a_user_that_is_listed(ti, look_up):
    ti.entries.add_organisation("Klinik am Wald", [USER], telematik_id="5-2-KH", profession="1.2.3")
    code, out, err = look_up(USER)
    assert (code, err) == (0, "")
    for word in (USER, "tim", "active", "see it", "organisation Klinik am Wald", "5-2-KH", "1.2.3", "mxid"):
        assert word in out
    assert "owner type" in out and "org" in out


def test_a_user_that_is_not_listed(look_up):
    code, out, err = look_up(USER)
    assert (code, err) == (1, "")
    assert "none" in out
    assert "listed" in out and "no" in out


def test_json_says_the_same(ti, look_up):
    ti.entries.add_practitioner(
        "Dr. Amsel", [ListedAddress.of_user(USER, hidden=True)], telematik_id="1-1", profession="1.2.4"
    )
    code, out, _ = look_up("matrix:u/alice:hospital.example", "--json")
    assert code == 0
    assert json.loads(out) == {
        "asked": "matrix:u/alice:hospital.example",
        "kind": "mxid",
        "insured": False,
        "listed": True,
        "owner_type": "pract",
        "entries": [
            {
                "active": True,
                "hidden_from_insured": True,
                "user": {
                    "user_id": USER,
                    "address": "matrix:u/alice:hospital.example",
                    "name": "Messenger",
                    "role": "tim",
                    "status": "active",
                },
                "owner": {
                    "kind": "practitioner",
                    "name": "Dr. Amsel",
                    "telematik_ids": ["1-1"],
                    "iks": [],
                    "professions": ["1.2.4"],
                    "active": True,
                },
            }
        ],
        "skipped_resources": 0,
        "failures": {},
    }


def test_organisations_by_their_ids(ti, look_up):
    ti.entries.add_organisation("Klinik", [USER, "@bob:hospital.example"], telematik_id="5-2", ik="109500969")
    for asked, kind in (("5-2", "telematik-id"), ("109500969", "ik")):
        code, out, _ = look_up(asked, "--json")
        document = json.loads(out)
        assert (code, document["kind"], document["owner_type"]) == (0, kind, None)
        assert [each["user"]["user_id"] for each in document["entries"]] == [USER, "@bob:hospital.example"]
    assert look_up("999999999")[0] == 1
    assert look_up("5-2-3")[0] == 1


def test_what_insured_persons_see(ti, look_up):
    ti.entries.add_organisation("Klinik", [ListedAddress.of_user(USER, hidden=True)])
    searches = ti.count(INSURED_SEARCH)
    assert look_up(USER)[0] == 0
    assert ti.count(INSURED_SEARCH) == searches
    code, out, _ = look_up(USER, "--insured", "--json")
    assert code == 1
    assert json.loads(out)["entries"] == []


def test_what_the_directory_calls_itself_is_no_command_to_a_terminal(ti, look_up):
    ti.entries.add_organisation("Klinik\x1b[2J[red]", [USER])
    _, out, _ = look_up(USER)
    assert "\x1b" not in out
    assert "[2J[red]" in out


# No answer


def test_a_directory_that_is_down(ti, look_up):
    ti.stop()
    try:
        code, out, err = look_up(USER, "--json")
    finally:
        ti.start()
    assert code == 2
    assert json.loads(out)["failures"] == {"localization": "unreachable"}
    assert json.loads(out)["listed"] is None
    assert err.startswith("no answer to the localization: unreachable")


def test_a_log_in_that_may_not_search_still_says_where_a_user_is_listed(ti, look_up):
    ti.entries.add_organisation("Klinik", [USER])
    ti.faults.paths, ti.faults.status = (SEARCH,), 403
    code, out, err = look_up(USER)
    assert code == 2
    assert "org" in out
    assert err == "no answer to the search: authentication: status 403\n"


def test_a_log_in_that_may_only_search_still_shows_the_entries(ti, look_up):
    ti.entries.add_organisation("Klinik", [USER])
    ti.faults.paths, ti.faults.status = (LOCALIZATION,), 403
    code, out, err = look_up(USER, "--json")
    assert code == 2
    assert len(json.loads(out)["entries"]) == 1
    assert err == "no answer to the localization: authentication: status 403\n"


def test_unreadable_resources_are_counted(ti, look_up):
    ti.entries.add_organisation("Klinik", [USER])
    ti.faults.unknown_elements = 1
    code, out, _ = look_up(USER)
    assert code == 0  # the owner type says so
    assert "unreadable resources" in out


@pytest.mark.parametrize("asked", ["@alice", "@ä:hospital.example", "@a:b c", "matrix:u/a"])
def test_what_looks_like_a_user_and_is_none(ti, look_up, asked):
    before = len(ti.requests)
    code, out, err = look_up(asked)
    assert (code, out) == (2, "")
    assert "is not a user id" in err
    assert len(ti.requests) == before


# The configuration


def test_only_what_is_needed_has_to_be_right(ti, look_up, write):
    ti.entries.add_organisation("Klinik", [USER])
    listed = {"vzd_credentials": ti.vzd_credentials, "ca_certificates": str(ti.ca_file), "url": 7}
    config = write({"product": "unknown", "federation_list": listed, "directory": {"url": ti.directory_url}})
    assert look_up(USER, config=config)[0] == 0


def test_the_blocks_may_be_those_of_two_parts(ti, look_up, write):
    listed = {"vzd_credentials": ti.vzd_credentials, "ca_certificates": str(ti.ca_file)}
    config = write({"federation_list": listed}, {"directory": {"url": ti.directory_url}})
    assert look_up(USER, config=config)[0] == 1


def test_searches_may_have_a_log_in_of_their_own(ti, look_up, write):
    block = ti.directory_config(search_credentials=ti.vzd_credentials)
    before = ti.count(TOKEN)
    assert look_up(USER, config=write({"directory": block}))[0] == 1
    assert ti.count(TOKEN) - before == 2


@pytest.mark.parametrize(
    ("blocks", "message"),
    [
        ([], "no module of synapse_tim has a block directory"),
        ([{"product": "pro"}], "no module of synapse_tim has a block directory"),
        ([{"directory": 7}], "modules[…].config.directory: "),
        ([{"directory": {"url": "https://d.example"}}], "modules[…].config.directory.vzd_credentials: "),
        (
            [{"directory": {"url": "http://d.example"}}],
            "modules[…].config.directory.url: expected an https URL",
        ),
        (
            [{"directory": {"url": "https://a"}}, {"directory": {"url": "https://b"}}],
            "several different blocks",
        ),
        (
            [{"directory": {"url": "https://a"}, "federation_list": {"vzd_credentials": {"client_id": 1}}}],
            "modules[…].config.federation_list.vzd_credentials.token_url: this key is required",
        ),
    ],
)
def test_what_is_wrong_with_it_is_said(look_up, write, blocks, message):
    code, out, err = look_up(USER, config=write(*blocks))
    assert (code, out) == (2, "")
    assert message in err


def test_a_module_of_somebody_else_is_not_asked(look_up, write):
    assert look_up(USER, config=write({"directory": {}}, module="other.Directory"))[0] == 2


@pytest.mark.parametrize("content", ["", "[]", "modules: 7", "modules: [7, {module: synapse_tim.Directory}]"])
def test_a_file_with_something_else_in_it(look_up, tmp_path, content):
    (tmp_path / "x.yaml").write_text(content)
    assert look_up(USER, config=str(tmp_path / "x.yaml"))[0] == 2


def test_no_file_at_all(look_up, tmp_path):
    assert look_up(USER, config=str(tmp_path / "none.yaml"))[0] == 2


def test_help_has_an_example(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["directory", "lookup", "--help"])
    assert caught.value.code == 0
    assert "Example: synapse-tim directory lookup @reception" in capsys.readouterr().out
