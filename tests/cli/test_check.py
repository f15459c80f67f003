"""``synapse-tim check``: silent on what is right, and of what is wrong exactly one line."""

import functools
import json
import os

import pytest
import yaml

from synapse_tim.check.catalogue import CHECKS
from synapse_tim.cli import main
from synapse_tim.core.checks import Verdict
from synapse_tim.core.products import Product, SpecVersion
from tests.cli.configurations import WRONG, Place, listener, make_files, sound

KINDS = [
    (product, spec_version)
    for product in Product
    for spec_version in SpecVersion
    # The draft is 1.2 with Matrix Authentication Service, which has tests of its own.
    if spec_version is not SpecVersion.DRAFT_1_15 and (product is Product.PRO or not spec_version.is_legacy)
]
BY_NAME = {check.name: check for check in CHECKS}
PROBLEMS = (Verdict.VIOLATION, Verdict.WARNING)


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """A directory with the files of the example, which tests leave as they are."""
    directory = tmp_path_factory.mktemp("check") / "files"
    directory.mkdir()
    return Place(directory, make_files(directory))


@pytest.fixture
def another_place(base, tmp_path_factory):
    """Make a place for files of a test, beside those."""

    def make():
        directory = base.directory.parent / tmp_path_factory.mktemp("x").name
        directory.mkdir()
        return Place(directory, base.world)

    return make


@pytest.fixture
def place(another_place):
    return another_place()


def written(place, config, name="homeserver.yaml"):
    """The path of a configuration that is written to a place."""
    path = place.directory / name
    path.write_text(config if isinstance(config, str) else yaml.safe_dump(config))
    return str(path)


@pytest.fixture
def write(place):
    return functools.partial(written, place)


@pytest.fixture
def check(capsys):
    """Run the command; gives the code and what it printed, as JSON if it was asked for."""

    def run(*arguments):
        code = main(["check", *map(str, arguments)])
        captured = capsys.readouterr()
        out = json.loads(captured.out) if "--json" in arguments else captured.out
        return code, out, captured.err

    return run


def problems(answer):
    return {(line["check"], line["verdict"]) for line in answer["results"] if line["verdict"] in PROBLEMS}


@pytest.mark.parametrize(("product", "spec_version"), KINDS)
def test_the_example_has_neither_violations_nor_warnings(base, write, check, product, spec_version):
    code, answer, err = check(write(sound(base.directory, product, spec_version)), "--json", "--strict")
    assert problems(answer) == set()
    assert (code, err) == (0, "")
    assert (answer["product"], answer["spec_version"]) == (product.value, spec_version.value)


def test_every_check_has_a_wrong_configuration():
    # The first one a configuration does not show; the second one is of the draft, see test_check_mas.py.
    assert set(WRONG) == set(BY_NAME) - {"permissions.stored", "matrix_authentication_service.oauth"}
    assert len(BY_NAME) == len(CHECKS)


def wrong_configurations(kind):
    """The first one of each check for every kind of server that it counts for, further ones for one kind."""
    for name, wrongs in WRONG.items():
        for number, wrong in enumerate(wrongs):
            kinds = [
                (product, spec_version)
                for product, spec_version in KINDS
                if product in BY_NAME[name].products & wrong.products
                and spec_version in BY_NAME[name].spec_versions & wrong.spec_versions
            ]
            if kind in (kinds[:1] if number else kinds):
                yield f"{name}-{number}", name, wrong


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: "-".join(kind))
def test_what_is_wrong_has_a_line_of_its_own(base, another_place, check, kind):
    failed = {}
    for case, name, wrong in wrong_configurations(kind):
        place = another_place()
        config = sound(base.directory, *kind)
        wrong.change(config, place)
        verdict = wrong.verdict or BY_NAME[name].severity
        code, answer, _ = check(written(place, config), *place.arguments, "--json")
        expected = {name: verdict, **wrong.also}
        found = (
            problems(answer),
            sum(line["check"] == name and line["verdict"] in PROBLEMS for line in answer["results"]),
            code,
        )
        wanted = (
            {(each, expected[each].value) for each in expected},
            1,
            1 if Verdict.VIOLATION in expected.values() else 0,
        )
        if found != wanted:
            failed[case] = f"{found}, not {wanted}"
    assert not failed, "\n".join(f"{case}: {said}" for case, said in failed.items())


# What is printed --------------------------------------------------------------------------------------------

LINE_KEYS = {"check", "requirement", "verdict", "key", "found", "wanted", "reason", "process"}


def test_json_has_the_keys_of_the_interface_and_all_lines(base, write, check):
    _, answer, _ = check(write(sound(base.directory, Product.PRO, SpecVersion.V1_2)), "--json")
    assert set(answer) == {"product", "spec_version", "processes", "results", "summary"}
    assert answer["processes"] == ["main"]
    assert all(set(line) == LINE_KEYS for line in answer["results"])
    assert all(isinstance(value, str) for line in answer["results"] for value in line.values())
    assert {line["verdict"] for line in answer["results"]} == {"ok", "not_applicable"}
    assert set(answer["summary"]) == {verdict.value for verdict in Verdict}
    assert sum(answer["summary"].values()) == len(answer["results"]) == len(CHECKS)


def test_problems_come_first_and_the_rest_on_demand(base, write, check):
    config = sound(base.directory, Product.PRO, SpecVersion.V1_2)
    config["report_stats"] = True  # a warning
    config["forget_rooms_on_leave"] = True  # a violation
    path = write(config)
    code, out, _ = check(path)
    assert code == 1
    assert out.index("forget_rooms_on_leave") < out.index("report_stats")
    assert "A_28342, A_28343" in out
    assert "1 violation, 1 warning" in out.splitlines()[-1]
    assert "enable_search" not in out
    _, out, _ = check(path, "--all")
    assert "enable_search" in out
    assert "not applicable" in out


def test_what_is_right_prints_the_counts_only(base, write, check):
    code, out, err = check(write(sound(base.directory, Product.EPA, SpecVersion.V1_1)))
    assert (code, err) == (0, "")
    assert out.startswith("0 violation, 0 warning, ")
    assert len(out.splitlines()) == 1


def test_warnings_count_only_if_strict(base, write, check):
    config = sound(base.directory, Product.PRO, SpecVersion.V1_2)
    config["report_stats"] = True
    path = write(config)
    assert check(path)[0] == 0
    assert check(path, "--strict")[0] == 1


# Secrets ----------------------------------------------------------------------------------------------------

SECRET = "s3cr3t-that-nobody-may-see"


def with_secrets(config, place):
    """One in every option that takes one, some of them where they do not belong, or of a wrong type."""
    config |= {
        name: f"{SECRET}-{name}"
        for name in (
            "signing_key",
            "registration_shared_secret",
            "macaroon_secret_key",
            "form_secret",
            "worker_replication_secret",
            "turn_shared_secret",
            "turn_password",
            "recaptcha_private_key",
        )
    }
    config |= {
        "redis": {"enabled": True, "host": "redis.example.de", "password": SECRET},
        "email": {"smtp_host": "mail.example.de", "smtp_pass": SECRET},
        "jwt_config": {"enabled": True, "secret": SECRET, "algorithm": "HS256"},
        "database": {
            "name": "psycopg2",
            "args": {"host": f"user:{SECRET}@db.example.de", "password": SECRET, "user": "synapse"},
        },
        "matrix_authentication_service": {"enabled": SECRET, "secret": SECRET},
        "oidc_providers": [{"idp_id": "x", "client_secret": [SECRET], "issuer": 7}],
        "sentry": {"dsn": f"https://{SECRET}@sentry.example.de/1"},
        "manhole_settings": {"password": SECRET},
        "password_config": {"pepper": SECRET},
        "public_baseurl": f"http://user:{SECRET}@messenger.example.de/",
        "app_service_config_files": [SECRET],
        "trusted_key_servers": [{"server_name": "matrix.org", "token": SECRET}],
    }
    config["modules"].append(
        {"module": "other.Module", "config": {"token": SECRET, "nested": [{"key": SECRET}]}}
    )
    ours = config["modules"][0]["config"]
    ours["client_secret"] = SECRET
    ours["federation_list"]["url"] = f"https://user:{SECRET}@registration.example.de/list"
    ours["login"]["providers"][0]["client_secret"] = SECRET
    config["app_service_config_files"] = [place.file("appservice.yaml", f"as_token: {SECRET}")]


@pytest.mark.parametrize("product", Product)
@pytest.mark.parametrize("form", [["--all"], ["--json"]])
def test_secrets_are_never_printed(base, place, write, capsys, product, form):
    config = sound(base.directory, product, SpecVersion.V1_2)
    with_secrets(config, place)
    assert main(["check", write(config), *form]) == 1
    captured = capsys.readouterr()
    assert "registration_shared_secret" in captured.out
    assert SECRET not in captured.out + captured.err


def test_no_check_prints_a_secret_on_purpose(base, place, write, check, monkeypatch):
    """Also if nothing were hidden afterwards: of options that take secrets, in the right place."""
    monkeypatch.setattr("synapse_tim.check.redaction.Redactor.hide", lambda self, text: text)
    config = sound(base.directory, Product.PRO, SpecVersion.V1_2)
    with_secrets(config, place)
    for key in ("signing_key", "matrix_authentication_service", "oidc_providers", "public_baseurl"):
        del config[key]
    config["database"]["args"]["host"] = "db.example.de"
    ours = config["modules"][0]["config"]
    ours["federation_list"]["url"] = "https://registration.example.de/list"
    _, answer, _ = check(write(config), "--json")
    keys = {line["key"] for line in answer["results"] if line["check"] == "secrets.inline"}
    assert {"redis.password", "turn_shared_secret", "recaptcha_private_key"} <= keys
    assert SECRET not in json.dumps(answer)


def test_secrets_in_broken_yaml_are_not_quoted(write, check):
    code, _, err = check(write(f"turn_shared_secret: '{SECRET}\nx: ["))
    assert code == 2
    assert SECRET not in err


# Nothing happens --------------------------------------------------------------------------------------------


def listing(directory):
    return {
        (str(path), path.stat().st_mtime_ns, path.stat().st_mode, path.stat().st_size)
        for path in [directory, *directory.rglob("*")]
    }


def test_nothing_is_made_or_changed(place, write, check, monkeypatch, tmp_path):
    """No key, no directory for media, no log, no pid file: although none of them is there yet."""
    config = sound(place.directory, Product.PRO, SpecVersion.V1_2)
    config["registration_shared_secret_path"] = str(place.directory / "registration")
    path = write(config)
    monkeypatch.chdir(place.directory)
    before = listing(place.directory)
    code, answer, _ = check(path, "--json", "--all")
    assert listing(place.directory) == before
    assert code == 0
    absent = {line["key"] for line in answer["results"] if line["check"] == "files.readable"}
    assert absent == {
        "signing_key_path",
        "registration_shared_secret_path",
        "log_config",
        "modules[0].config.federation_list.ca_certificates",
        "modules[0].config.federation_list.trust.pinned_roots[0]",
    }


def test_without_any_file_that_it_names_everything_else_is_judged(place, write, check):
    config = sound(place.directory, Product.PRO, SpecVersion.V1_2)
    for key in (
        "registration_shared_secret_path",
        "macaroon_secret_key_path",
        "form_secret_path",
        "worker_replication_secret_path",
        "turn_shared_secret_path",
        "recaptcha_private_key_path",
        "tls_certificate_path",
        "tls_private_key_path",
    ):
        config[key] = "/nothing/here"
    config["federation_custom_ca_list"] = ["/nothing/here"]
    config["templates"] = {"custom_template_directory": "/nothing/here"}
    config["redis"] = {"enabled": True, "password_path": "/nothing/here"}
    config["oidc_providers"] = [
        {
            "idp_id": "broker",
            "idp_name": "Broker",
            "issuer": "https://broker.example.de",
            "client_id": "synapse",
            "client_secret_path": "/nothing/here",
            "user_mapping_provider": {
                "module": "synapse_tim.OidcMapping",
                "config": {
                    "profile": "oidc",
                    "localpart": {"hash_of": ["sub"], "hash_key_path": "/nothing/here"},
                },
            },
        }
    ]
    config["sso"] = {"update_profile_information": True}
    config["modules"][0]["config"]["login"]["decryption_keys"] = ["/nothing/here"]
    config["forget_rooms_on_leave"] = True
    _, answer, _ = check(write(config), "--json")
    assert problems(answer) == {
        ("files.readable", "warning"),
        ("federation_custom_ca_list", "warning"),
        ("forget_rooms_on_leave", "violation"),
    }


@pytest.mark.parametrize("place_of_module", ["modules", "spam_checker", "third_party_event_rules"])
def test_modules_of_others_are_found_and_not_run(base, place, write, check, monkeypatch, place_of_module):
    trace = place.directory / "was-here"
    package = place.directory / "a_module_of_others"
    package.mkdir()
    (package / "__init__.py").write_text(f"open({str(trace)!r}, 'w')\n")
    (package / "inner.py").write_text(f"open({str(trace)!r}, 'w')\nclass Module: pass\n")
    monkeypatch.syspath_prepend(str(place.directory))
    config = sound(base.directory, Product.PRO, SpecVersion.V1_2)
    entry = {"module": "a_module_of_others.inner.Module", "config": {}}
    if place_of_module == "modules":
        config["modules"].append(entry)
    else:
        config[place_of_module] = entry
    code, answer, _ = check(write(config), "--json", "--strict")
    (line,) = (line for line in answer["results"] if line["check"] == "modules.others")
    assert (line["verdict"], line["found"]) == ("ok", "a_module_of_others.inner.Module")
    assert code == 0
    assert not trace.exists()


def test_what_synapse_would_import_and_is_not_here_is_a_warning(base, write, check):
    config = sound(base.directory, Product.PRO, SpecVersion.V1_2)
    config["oidc_providers"] = [
        {
            "idp_id": "broker",
            "idp_name": "Broker",
            "issuer": "https://broker.example.de",
            "client_id": "synapse",
            "client_auth_method": "none",
            "user_mapping_provider": {"module": "not_installed_anywhere.Mapping"},
        }
    ]
    _, answer, _ = check(write(config), "--json")
    assert problems(answer) == {("modules.others", "warning")}
    (line,) = (line for line in answer["results"] if line["check"] == "modules.others")
    assert line["key"] == "oidc_providers"
    assert "not_installed_anywhere" in line["found"]


@pytest.mark.parametrize(
    "name", ["synapse_tim.__main__.X", "synapse_tim.cli.main", "synapse_tim.OidcMapping", "synapse_tim.X"]
)
def test_only_modules_of_this_project_are_loaded(base, write, check, name):
    config = sound(base.directory, Product.PRO, SpecVersion.V1_2)
    config["modules"].append({"module": name, "config": {}})
    _, answer, _ = check(write(config), "--json")
    assert problems(answer) == {("start-up", "violation")}


def test_modules_may_be_named_by_where_they_are(base, write, check):
    config = sound(base.directory, Product.PRO, SpecVersion.V1_2)
    config["modules"][0]["module"] = "synapse_tim.ti_messenger.TiMessenger"
    assert check(write(config), "--strict")[0] == 0


def test_what_never_ends_is_not_read(base, place, write, check):
    pipe = place.directory / "pipe"
    os.mkfifo(pipe)
    config = sound(base.directory, Product.PRO, SpecVersion.V1_2)
    config["log_config"] = config["macaroon_secret_key_path"] = str(pipe)
    config["tls_certificate_path"] = config["tls_private_key_path"] = str(pipe)
    config["listeners"].append(listener(["federation"], tls=True, port=8448))
    _, answer, _ = check(write(config), "--json")
    assert problems(answer) == {("files.readable", "warning")}


# Files that cannot be judged --------------------------------------------------------------------------------


LAUGHS = "a0: &a0 [a]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "no settings"),
        ("# only a comment\n", "no settings"),
        ("- a list\n", "no settings"),
        ("just text", "no settings"),
        ("a: [", "no YAML: expected"),
        ("a: b: c", "line 1"),
        ("a: !!python/object:os.system x", "no YAML"),
        ("a: \0", "U+0000"),
        ("{" * 5000, "nested too deeply"),
        ("a: &a [*b]", "no YAML"),
        (LAUGHS, "aliases of aliases make more than 1000000 values of it"),
        ("form_secret: *hunter2", "no YAML: found undefined alias … (line 1, column 14)"),
        ("form_secret: !hunter2 a", "no YAML: could not determine a constructor for the tag …"),
        ("form_secret: !hun'ter2 a", "no YAML: could not determine a constructor for the tag …"),
        ("form_secret: !hun!ter2 a", "no YAML: found undefined tag handle …"),
        ("form_secret: %hunter2", "no YAML: found character '%' that cannot start any token"),
        ("? [1]\n: 2\n? {a: 1}\n: 3", "no YAML"),
    ],
    ids=range(17),
)
def test_what_is_no_configuration_is_said_in_one_line(write, check, content, says):
    path = write(content)
    code, out, err = check(path)
    assert (code, out) == (2, "")
    assert err.startswith(f"synapse-tim: {path}: ")
    assert says in err
    assert len(err.splitlines()) == 1


def test_files_that_cannot_be_read_are_said_in_one_line(place, write, check):
    not_utf_8 = place.file("bytes.yaml", b"a: \xff")
    nothing = place.directory / "nothing"
    nothing.mkdir()
    good = write("server_name: a.example\n")
    for arguments in (
        [place.directory / "absent.yaml"],
        [not_utf_8],
        [nothing],
        [good, place.directory / "absent.yaml"],
        [good, "--worker", place.directory / "absent.yaml"],
        ["a\0b"],
    ):
        code, out, err = check(*arguments)
        assert (code, out) == (2, "")
        assert len(err.splitlines()) == 1


@pytest.mark.parametrize("arguments", [[], ["--worker", "x.yaml"], ["a.yaml", "--unknown"]])
def test_wrong_usage(arguments):
    with pytest.raises(SystemExit) as caught:
        main(["check", *arguments])
    assert caught.value.code == 2


@pytest.mark.parametrize(
    "changes",
    [
        {"modules": {"module": "synapse_tim.TiMessenger"}},
        {"modules": [None, 7, "text", {"module": 7}, {"module": "synapse_tim.TiMessenger", "config": [1]}]},
        {
            "modules": [
                {"module": "synapse_tim.core.durations.Block"},
                {"module": "nodots"},
                {"module": "."},
            ]
        },
        {"listeners": [7]},
        {"listeners": [{"type": "http"}]},
        {"listeners": [{"type": "http", "port": 1, "bind_addresses": [7, None]}]},
        {"redis": 7, "email": 7, "saml2_config": 7, "opentracing": 7, "templates": 7, "oidc_providers": 7},
        {"database": 7},
        {"databases": {"a": 7}},
        {"federation_custom_ca_list": 7, "app_service_config_files": {"a": 1}},
        {"trusted_key_servers": {"a": 1}},
        {"public_baseurl": "http://[::1"},
        {"public_baseurl": 7},
        {"server_name": ["a"]},
        {"server_name": "x" * 10000},
        {"log_config": 7},
        {"instance_map": {"main": 7}},
        {"run_background_tasks_on": 7},
        {"experimental_features": [1]},
        {"push": "no"},
        {"media_retention": {"local_media_lifetime": {"a": 1}}},
        {"federation_domain_whitelist": {"a.example": True}},
        {"federation_domain_whitelist": 7},
        {7: 7, None: 1, True: 2},
        {"password_config": None, "user_directory": None, "retention": None, "push": None},
    ],
    ids=range(25),
)
def test_values_of_wrong_types_are_lines_and_never_a_crash(base, write, check, changes):
    config = sound(base.directory, Product.PRO, SpecVersion.V1_2) | changes
    code, answer, err = check(write(config), "--json")
    assert code in (0, 1)
    assert err == ""
    assert sum(answer["summary"].values()) == len(answer["results"])


def test_text_that_would_move_the_cursor_or_be_markup_is_shown_as_it_is(base, write, check):
    config = sound(base.directory, Product.PRO, SpecVersion.V1_2)
    config["modules"].append({"module": "evil\u001b[2J[/bold].:smile:\ud800.Module"})
    config["worker_name"] = "x\u001b[31m"  # of the main process, which then runs no background tasks
    config["default_identity_server"] = "\u202ehttps://[red]example"
    path = write(json.dumps(config))
    _, out, _ = check(path, "--all")
    assert "\u001b" not in out and "\u202e" not in out
    assert "[/bold]" in out and ":smile:" in out
    assert check(path, "--json")[1]["processes"] == ["x�[31m"]


def test_aliases_are_what_they_stand_for(base, write, check):
    config = yaml.safe_dump(sound(base.directory, Product.PRO, SpecVersion.V1_2))
    levels = "".join(f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 10)}]\n" for n in range(1, 5))
    code, answer, _ = check(write(f"{config}\nl0: &l0 [x]\n{levels}\nround: &round [*round]\n"), "--json")
    assert code == 0
    assert problems(answer) == set()


def test_nothing_is_taken_from_the_environment(base, write, check, monkeypatch):
    """Synapse replaces nothing in its files either."""
    monkeypatch.setenv("SYNAPSE_TIM_TEST", "https://messenger.example.de/")
    config = sound(base.directory, Product.PRO, SpecVersion.V1_2)
    config["default_identity_server"] = "${SYNAPSE_TIM_TEST}"
    _, answer, _ = check(write(config), "--json")
    (line,) = (line for line in answer["results"] if line["check"] == "default_identity_server")
    assert line["found"] == '"${SYNAPSE_TIM_TEST}"'


# Several files ----------------------------------------------------------------------------------------------


def test_files_and_directories_are_merged_as_synapse_merges_them(base, place, write, check):
    config = sound(base.directory, Product.PRO, SpecVersion.V1_2)
    directory = place.directory / "conf.d"
    directory.mkdir()
    (directory / "b.yaml").write_text("report_stats: true\npush: {include_content: false}\n")
    (directory / "a.yaml").write_text("report_stats: false\npush: {enabled: true}\n")
    (directory / "c.yml").write_text("forget_rooms_on_leave: true\n")
    (directory / "d.yaml").mkdir()
    path = write(config)
    assert problems(check(path, directory, "--json")[1]) == {("report_stats", "warning")}
    assert problems(check(directory, path, "--json")[1]) == set()


def test_of_a_worker_only_what_differs_is_said(base, place, write, check):
    config = sound(base.directory, Product.PRO, SpecVersion.V1_2)
    config["report_stats"] = True
    config["instance_map"] = {"main": {"host": "127.0.0.1", "port": 9093}}
    path = write(config)
    place.worker(config, "good")
    place.worker(
        config,
        "bad",
        modules=[],
        worker_listeners=[
            {
                "port": 8011,
                "bind_addresses": ["0.0.0.0"],
                "type": "http",
                "resources": [{"names": ["client"]}],
            },
        ],
    )
    code, answer, _ = check(path, *place.arguments, "--json")
    assert answer["processes"] == ["main", "good", "bad"]
    found = {
        (line["process"], line["check"], line["key"])
        for line in answer["results"]
        if line["verdict"] in PROBLEMS
    }
    assert found == {
        ("main", "report_stats", "report_stats"),
        ("bad", "modules.parts", "modules"),
        ("bad", "listeners.tls", "worker_listeners[0]"),
        ("bad", "listeners.x_forwarded", "worker_listeners[0]"),
        ("bad", "listeners.metrics", "listeners"),
    }
    assert code == 1
    _, out, _ = check(path, *place.arguments)
    assert "bad: modules" in out


def test_a_worker_may_run_the_background_tasks(base, place, write, check):
    config = sound(base.directory, Product.PRO, SpecVersion.V1_2)
    config["run_background_tasks_on"] = "worker1"
    config["instance_map"] = {"main": {"host": "127.0.0.1", "port": 9093}}
    place.worker(config, "worker1")
    assert check(write(config), *place.arguments, "--strict")[0] == 0


def test_whoever_is_neither_product_is_still_judged(base, write, check):
    config = sound(base.directory, Product.PRO, SpecVersion.V1_2)
    del config["modules"]
    config["enable_3pid_changes"] = True
    _, answer, _ = check(write(config), "--json")
    assert (answer["product"], answer["spec_version"]) == (None, None)
    assert problems(answer) == {("modules.parts", "violation"), ("enable_3pid_changes", "violation")}


def test_a_block_with_a_mistake_still_says_which_product_it_is(base, write, check):
    config = sound(base.directory, Product.EPA, SpecVersion.V1_2)
    config["modules"][0]["config"]["federation_list"]["url"] = "ftp://example.de"
    config["user_directory"]["search_all_users"] = True
    _, answer, _ = check(write(config), "--json")
    assert problems(answer) == {
        ("start-up", "violation"),
        ("user_directory.search_all_users.epa", "violation"),
    }
    (line,) = (line for line in answer["results"] if line["check"] == "start-up")
    assert line["key"] == "modules[0].config.federation_list.url"
    assert line["found"].startswith("expected an http or https URL")
