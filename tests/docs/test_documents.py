"""Every example in the documents is executed: blocks of YAML are parsed, commands are run."""

import contextlib
import functools
import json
import os
import pkgutil
import re
import shlex
import shutil
import sqlite3
import subprocess
import sys
import tomllib
import venv
import zipfile
from importlib import metadata
from pathlib import Path

import pytest
import yaml

import synapse_tim
from synapse_tim.adapter.config_block import validate_block
from synapse_tim.cli import main
from synapse_tim.compliance.denials import CATALOGUE
from synapse_tim.core import refusal as refusals
from synapse_tim.core.products import Product, SpecVersion
from synapse_tim.directory.failures import DirectoryFailure
from synapse_tim.federation.config import FederationListConfig
from synapse_tim.federation.refusals import Refusal
from synapse_tim.federation.store import TABLES as LIST_TABLES
from synapse_tim.login.rules.refusals import TokenRefusal
from synapse_tim.mirror.config import MirrorConfig
from synapse_tim.pki.certificates import fingerprint
from synapse_tim.pki.trust_anchors import parse_roots
from synapse_tim.testing import SynapseServer, TiSimulator, loopback, make_world, wait_for
from synapse_tim.testing.driver import DriverConfig
from synapse_tim.testing.driver.encryption import is_available
from tests.cleanup.synapse_tables import SCHEMA
from tests.cli.configurations import Place, make_files, sound

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = [ROOT / "README.md", ROOT / "SECURITY.md", *sorted((ROOT / "docs").rglob("*.md"))]


#: What is done with the examples in each language; a test of its own for those that are not in a list.
LANGUAGES = {"mermaid", "yaml", "console", "python", "dockerfile", "ini", "json", "http", "sql", "sh"}


def blocks(language):
    for document in DOCUMENTS:
        for body in re.findall(rf"```{language}\n(.*?)```", document.read_text(), re.DOTALL):
            yield pytest.param(body, id=document.name)


@pytest.fixture
def world():
    return make_world()


@pytest.fixture
def files(tmp_path, world):
    """The files that the examples name, in a directory of the test."""
    world.write_download_tree(tmp_path / "download")
    (tmp_path / "GEM.RCA8.der").write_bytes(world.roots[-1].der)
    (tmp_path / "vzd_secret").write_text("secret")
    (tmp_path / "registration-ca.pem").write_bytes(world.tls_ca.pem)
    (tmp_path / "localpart_key").write_text("k" * 64)
    (tmp_path / "broker_secret").write_text("secret")
    for year in (2026, 2027):
        key = world.tls_client.key_pem  # on P-256
        (tmp_path / f"token-key-{year}.pem").write_bytes(key)
    for name in ("gateway-key", "gateway-tls", "entity-key"):
        (tmp_path / f"{name}-2026.pem").write_bytes(world.tls_client.pem + key)
    (tmp_path / "gateway_secret").write_text("s" * 43)
    (tmp_path / "federation-master.json").write_text("{}")
    return tmp_path


def module_blocks(document):
    for entry in document.get("modules", []):
        name = entry["module"].removeprefix("synapse_tim.")
        yield getattr(synapse_tim, name), entry["config"]
    for provider in document.get("oidc_providers", []):
        entry = provider["user_mapping_provider"]
        if "module" not in entry:
            continue  # Synapse's own: the gateway has looked at the claims
        yield getattr(synapse_tim, entry["module"].removeprefix("synapse_tim.")), entry["config"]


@pytest.mark.parametrize("body", blocks("yaml"))
def test_yaml_is_a_valid_configuration(body, files):
    body = body.replace("/etc/synapse-tim", str(files)).replace("/etc/synapse", str(files))
    document = yaml.safe_load(body)
    if "apis" in document:
        assert DriverConfig.model_validate(document).apis
        return
    if "listen" in document:
        assert isinstance(validate_block(MirrorConfig, document), MirrorConfig)
        return
    if [*document] == ["federation_list"]:  # of a homeserver that has a mirror
        found = validate_block(FederationListConfig, document["federation_list"])
        assert isinstance(found, FederationListConfig)
        return
    if "scrape_configs" in document:
        return  # of Prometheus: tests/monitoring has it checked
    if "upstream_oauth2" in document:
        return  # of MAS: tests/login/e2e/test_authentication_service.py starts it
    assert document["federation_domain_whitelist"] == []
    parsed = [module.parse_config(config) for module, config in module_blocks(document)]
    assert parsed


@pytest.mark.parametrize("body", blocks("console"))
def test_commands_run(body, files, monkeypatch):
    """Installing and running the tests is what CI has done when it gets here."""
    monkeypatch.chdir(files)
    with TiSimulator(make_world()) as ti:
        ti.add("hospital.example")
        ti.world.write_download_tree(files / "download")
        (files / "GEM.RCA8.der").write_bytes(ti.world.roots[-1].der)
        listed = loopback.get(ti.plain_list_url).content
        (files / "federationList.jws").write_bytes(listed)
        write_configuration(files)
        for line in body.strip().splitlines():
            arguments = shlex.split(line)
            if arguments[0] == "synapse-tim" and ">" in arguments:
                written_by_a_shell(line, files)
            elif arguments[0] == "synapse_port_db" or arguments[1:2] == ["database"]:
                assert "database.md" in (ROOT / "tests/workers/test_move_to_postgresql.py").read_text()
            elif arguments[0] == "synapse-tim" and arguments[1] in ("check", "cleanup", "contacts"):
                assert main(arguments[1:]) == 0
            elif arguments[:2] == ["synapse-tim", "explain"]:
                names = ("invitee_refuses", "hospital.example", None)
                refusal = refusals.Refusal("h4kq7zta", "A_26021-01", *names)
                (files / "homeserver.log").write_text(f"{refusal}\n")
                users_for_explanations(files)
                assert main(arguments[1:]) in (0, 1)
            elif arguments[:2] == ["synapse-tim", "directory"]:
                list_in_directory(ti, files)
                assert main(arguments[1:]) == 0
            elif arguments[:2] == ["synapse-tim", "test-driver"]:
                (files / arguments[2]).write_text(one_block("approval.md", "yaml"))
                assert main([*arguments[1:], "--check"]) == (0 if is_available() else 2)
            elif arguments[0] == "synapse-tim":
                assert main([*arguments[1:], "--allow-test-certificates"]) == 0
            elif arguments[0] == "pip":
                check_pip_line(arguments)
            elif arguments[0] == "python":
                assert arguments[1:3] == ["-m", "synapse_tim.testing.simulator"]
            else:
                pytest.fail(f"an example that nothing checks: {line}")


def users_for_explanations(directory):
    """A database with the tables that the command looks into, and without a list."""
    path = directory / "homeserver.yaml"
    config = yaml.safe_load(path.read_text())
    config["server_name"] = "hospital.example"
    config["database"] = {"name": "sqlite3", "args": {"database": str(directory / "explained.db")}}
    path.write_text(yaml.safe_dump(config))
    with contextlib.closing(sqlite3.connect(directory / "explained.db")) as database:
        database.executescript(
            "CREATE TABLE IF NOT EXISTS users (name TEXT, deactivated INT, admin INT);"
            "CREATE TABLE IF NOT EXISTS account_data (user_id TEXT, account_data_type TEXT, content TEXT);"
            "CREATE TABLE IF NOT EXISTS user_external_ids"
            " (auth_provider TEXT, external_id TEXT, user_id TEXT);"
            "CREATE TABLE IF NOT EXISTS devices (user_id TEXT, device_id TEXT, hidden BOOLEAN)"
        )


def list_in_directory(ti, directory):
    """Whoever the examples ask about, in a directory that the configuration names."""
    users = ["@reception:hospital.example"]
    ti.entries.add_organisation("Hospital", users, telematik_id="5-2-KH-Example", ik="109500969")
    path = directory / "homeserver.yaml"
    config = yaml.safe_load(path.read_text())
    config["modules"] = [{"module": "synapse_tim.Directory", "config": {"directory": ti.directory_config()}}]
    path.write_text(yaml.safe_dump(config))


def written_by_a_shell(line, directory):
    """A command whose output goes to a file."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", line],
        cwd=directory,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    written = (directory / shlex.split(line)[-1]).read_text()
    assert yaml.safe_load(written), "YAML, or JSON"


@pytest.mark.parametrize("body", blocks("mermaid"))
def test_pictures_have_no_semicolons_which_end_statements(body):
    kind, *lines = body.strip().splitlines()
    assert kind.split()[0] in ("flowchart", "sequenceDiagram")
    assert [line for line in lines if ";" in line] == []
    opened = sum(line.split()[0] in ("alt", "opt", "loop", "subgraph") for line in lines if line.split())
    assert opened == sum(line.strip() == "end" for line in lines)


def test_nothing_in_the_documents_is_left_out():
    for document in DOCUMENTS:
        text = document.read_text()
        fences = re.findall(r"^```(.*)$", text, re.MULTILINE)
        assert set(fences[::2]) <= LANGUAGES, document.name
        assert set(fences[1::2]) <= {""}, document.name
        assert not re.search(r"\n\n    \S", re.sub(r"```.*?```", "", text, flags=re.DOTALL)), document.name


def one_block(document, language, number=None):
    """The block in a language, or one of several."""
    found = re.findall(rf"```{language}\n(.*?)```", (ROOT / "docs" / document).read_text(), re.DOTALL)
    if number is None:
        assert len(found) == 1
    return found[number or 0]


def test_the_unit_of_systemd_checks_before_the_start(files):
    write_configuration(files)
    (line,) = re.findall(r"ExecStartPre=(.*)", one_block("check.md", "ini"))
    program, *arguments = shlex.split(line.replace("/etc/synapse", str(files)))
    assert Path(program).name == "synapse-tim"
    assert main(arguments) == 0


def test_the_floor_is_forgotten_with_the_rows():
    with sqlite3.connect(":memory:") as database:
        for statement in LIST_TABLES:
            database.execute(statement)
        database.execute("INSERT INTO synapse_tim_federation_list VALUES (1, 7, '', '', 0, 0, 0)")
        database.executescript(one_block("operations.md", "sql"))
        assert database.execute("SELECT COUNT(*) FROM synapse_tim_federation_list").fetchone() == (0,)


@pytest.fixture
def official_image(tmp_path):
    """What pip sees in the image of Synapse, run by an environment for its commands.

    It has everything that is installed here but synapse_tim, of which there is a wheel to install. Synapse
    was installed from a directory that is no longer there.
    """
    here = Path(metadata.distribution("matrix-synapse").locate_file(""))
    root = tmp_path / "image"
    venv.create(root, with_pip=False)
    (packages,) = root.glob("lib/python*/site-packages")
    for entry in here.iterdir():
        if entry.suffix != ".pth" and not re.search(r"synapse_tim|^matrix_synapse-", entry.name):
            (packages / entry.name).symlink_to(entry)
    (synapse,) = here.glob("matrix_synapse-*.dist-info")
    shutil.copytree(synapse, packages / synapse.name)
    from_directory = {"url": "file:///synapse", "dir_info": {}}
    (packages / synapse.name / "direct_url.json").write_text(json.dumps(from_directory))
    pip = root / "bin" / "pip"
    pip.write_text('#!/bin/sh\nexec "$(dirname "$0")/python" -m pip "$@"\n')
    pip.chmod(0o755)
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    wheel_of("synapse-tim", wheels)
    pip_options = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheels), "PIP_CONFIG_FILE": os.devnull}
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "PYTHON"))}
    path = f"{root / 'bin'}{os.pathsep}{os.environ['PATH']}"
    return functools.partial(
        subprocess.run,
        cwd=tmp_path,
        env={**clean, **pip_options, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )


def wheel_of(name, directory):
    """Make a wheel with the metadata of an installed package, and nothing else in it."""
    found = metadata.distribution(name)
    stem = f"{name.replace('-', '_')}-{found.version}"
    files = {
        "METADATA": found.read_text("METADATA"),
        "WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        "RECORD": "".join(f"{stem}.dist-info/{file},,\n" for file in ("METADATA", "WHEEL", "RECORD")),
    }
    with zipfile.ZipFile(directory / f"{stem}-py3-none-any.whl", "w") as wheel:
        for file, text in files.items():
            wheel.writestr(f"{stem}.dist-info/{file}", text)


def of_bash(commands):
    return ["bash", "-ec", commands]


def test_the_container_image_keeps_what_it_was_built_with(official_image, tmp_path):
    image, run = one_block("installation.md", "dockerfile").replace("\\\n", "").strip().split("\n")
    minor = int(re.fullmatch(r"FROM matrixdotorg/synapse:v1\.([0-9]+)\.[0-9]+", image)[1])
    assert f"Synapse 1.153 to 1.{minor}," in (ROOT / "README.md").read_text()
    frozen = official_image(of_bash("pip freeze")).stdout
    assert "matrix-synapse @ file:///synapse\n" in frozen
    before = official_image(of_bash("pip list --format=freeze")).stdout.splitlines()
    done = official_image(of_bash(run.removeprefix("RUN ").replace("/constraints.txt", "constraints.txt")))
    assert done.returncode == 0, done.stdout + done.stderr
    (new,) = set(official_image(of_bash("pip list --format=freeze")).stdout.splitlines()) - set(before)
    assert new == f"synapse-tim=={metadata.version('synapse-tim')}"
    synapse = f"matrix-synapse=={metadata.version('matrix-synapse')}"
    assert synapse in (tmp_path / "constraints.txt").read_text().splitlines()


def test_pip_keeps_what_is_there(official_image):
    """The commands for an environment are those for the image."""
    commands = one_block("installation.md", "console", 0)
    done = official_image(of_bash(commands))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Successfully installed synapse-tim-" in done.stdout


def write_configuration(directory):
    """A homeserver of a main process and a worker."""
    own = directory / "server"
    own.mkdir()
    make_files(own)
    config = sound(own, Product.PRO, SpecVersion.V1_2)
    config["instance_map"] = {"main": {"host": "127.0.0.1", "port": 9093}}
    (directory / "homeserver.yaml").write_text(yaml.safe_dump(config))
    with sqlite3.connect(config["database"]["args"]["database"]) as database:
        database.executescript(SCHEMA)
    (directory / "conf.d").mkdir()
    (directory / "conf.d" / "stats.yaml").write_text("report_stats: false\n")
    Place(directory, None).worker(config, "worker1")


def test_the_vendors_example_runs(tmp_path):
    conftest, example = re.findall(r"```python\n(.*?)```", (ROOT / "docs/testing.md").read_text(), re.DOTALL)
    (tmp_path / "conftest.py").write_text(conftest)
    (tmp_path / "test_image.py").write_text(example)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "1 passed" in done.stdout, done.stdout


def check_pip_line(arguments):
    """The extras and the environments that it names have to exist."""
    assert arguments[1] in ("install", "list", "check", "wheel")
    if "&&" in arguments:
        tox = arguments[arguments.index("&&") + 1 :]
        assert tox[0] == "tox"
        if "-e" in tox:
            assert f"[testenv:{tox[tox.index('-e') + 1]}]" in (ROOT / "tox.ini").read_text()


def test_every_refusal_is_documented():
    text = (ROOT / "docs" / "federation-list.md").read_text()
    for refusal in Refusal:
        assert f"`{refusal.value}`" in text, refusal


def test_every_failure_of_a_look_up_is_explained():
    text = (ROOT / "docs" / "directory.md").read_text()
    for failure in DirectoryFailure:
        assert f"`{failure.value}`" in text, failure


def test_every_reason_to_refuse_a_token_is_explained():
    text = (ROOT / "docs" / "login.md").read_text()
    for reason in TokenRefusal:
        assert f"`{reason.value}`" in text, reason


def test_links_lead_somewhere():
    for document in DOCUMENTS:
        for target in re.findall(r"\]\(([^)#]+)\)", document.read_text()):
            if not target.startswith("https://"):
                assert (document.parent / target).exists(), (document.name, target)


@pytest.mark.servers
def test_example_homeserver_yaml_starts(tmp_path, capsys):
    """The file as it is, with its own lines, its paths and its ports adapted."""
    with TiSimulator() as ti:
        ti.add("messenger.example.de")
        (tmp_path / "registration-ca.pem").write_bytes(ti.world.tls_ca.pem)
        (tmp_path / "GEM.RCA8.der").write_bytes(ti.world.roots[-1].der)
        server = SynapseServer("example", tmp_path / "server", ti.world)
        text = (ROOT / "example_homeserver.yaml").read_text()
        text = text.replace("/var/lib/synapse", str(tmp_path)).replace("/etc/synapse", str(tmp_path))
        text = text.replace("8008", str(server.ports.client)).replace("9000", str(server.ports.metrics))
        text = text.replace("https://registration.example.de/federationList.jws", ti.list_url)
        text = text.replace("http://ocsp.example.de/", ti.ocsp_url)
        text = text.replace("https://download.tsl.ti-dienste.de", ti.ca_base_url)
        text = text.replace("ocsp: hard", "ocsp: hard\n          allow_test_certificates: true")
        config = yaml.safe_load(text)
        log = (ROOT / "example_log.yaml").read_text().replace("/var/lib/synapse", str(tmp_path))
        (tmp_path / "log.yaml").write_text(log)
        config["signing_key_path"] = server.config["signing_key_path"]
        config["macaroon_secret_key"] = "for the test"
        server.config = config
        try:
            server.start().wait()
            assert violations_of(server.config_path, capsys) == {"trust.allow_test_certificates"}
            name = "synapse_tim_federation_list_own_domain_listed"
            wait_for(lambda: server.metrics().get(name) == 1, what="the list")
        finally:
            server.stop()


def violations_of(config, capsys):
    """What the check finds wrong with a homeserver that runs."""
    main(["check", str(config), "--json"])
    results = json.loads(capsys.readouterr().out)["results"]
    return {line["check"] for line in results if line["verdict"] == "violation"}


def test_the_architecture_names_files_that_are_there():
    text = (ROOT / "docs/architecture.md").read_text()
    package = ROOT / "synapse_tim"
    named = set(re.findall(r"(?:[a-z_]+/)*[a-z_]+\.py", text))
    assert len(named) > 20
    assert not {
        name for name in named if not list(package.glob(name)) and not list(package.glob(f"*/{name}"))
    }
    folders = re.findall(r"`(adapter|core|jose|pki|check/catalogue)`", text)
    assert len(set(folders)) == 5
    assert all((package / folder).is_dir() for folder in folders)


def test_the_picture_of_the_layers_is_the_contract():
    config = tomllib.loads((ROOT / "pyproject.toml").read_text())
    layers = config["tool"]["importlinter"]["contracts"][0]["layers"]
    wanted = [
        name for layer in layers for name in re.findall(r"[a-z_]+", layer) if name != "ti_messenger_config"
    ]
    picture = re.search(r"flowchart TD\n(.*?)```", (ROOT / "docs/architecture.md").read_text(), re.DOTALL)[1]
    order = [name for name in re.findall(r"[a-z_]+", picture) if name in wanted]
    assert list(dict.fromkeys(order)) == wanted


def exists(name):
    """Whether a file of the repository, or something of the package, has this name."""
    if re.fullmatch(r"synapse_tim(?:\.\w+)+", name):
        try:
            return pkgutil.resolve_name(name) is not None
        except (ImportError, AttributeError):
            return False
    folders = (ROOT, ROOT / "synapse_tim", ROOT / "synapse_tim/testing")
    return any(any(folder.glob(pattern)) for folder in folders for pattern in (name, f"*/{name}"))


def test_files_and_modules_that_the_documents_name_are_there():
    named = {
        (document.name, name)
        for document in [*ROOT.glob("docs/*.md"), *ROOT.glob("*.md")]
        for name in re.findall(r"`([^`\n]+)`", document.read_text())
        if document.name != "CHANGELOG.md"
        and re.fullmatch(
            r"(?:synapse_tim|tests|docs)/[a-z0-9_./*-]+|(?:[a-z0-9_]+/)*[a-z0-9_]+\.py|synapse_tim(?:\.\w+)+",
            name,
        )
    }
    assert len(named) > 50
    assert sorted(each for each in named if not exists(each[1])) == []


def test_the_page_for_users_quotes_what_they_are_told():
    quotes = re.findall(r"(?:^> .+\n)+", (ROOT / "docs/de/einladen.md").read_text(), re.MULTILINE)
    assert len(quotes) > 8
    texts = {denial.message for denial in CATALOGUE.values()}
    assert [
        text for quote in quotes if (text := " ".join(quote.replace("> ", "").split())) not in texts
    ] == []


def test_the_german_page_for_operators_has_every_alert():
    text = (ROOT / "docs/de/betrieb.md").read_text()
    alerts = re.findall(r"alert: (\w+)", (ROOT / "synapse_tim/monitoring/alerts.yaml").read_text())
    assert len(alerts) > 20
    assert [alert for alert in alerts if f"`{alert}`" not in text] == []


def test_the_pinned_roots_of_the_reference_environment_are_those_that_gematik_publishes(genuine_lists):
    published = {
        fingerprint(each.certificate): each.certificate for each in parse_roots(genuine_lists.roots_json)
    }
    for page in ("quick-start.md", "de/schnellstart.md"):
        text = (ROOT / "docs" / page).read_text()
        rows = re.findall(r"^\| `(.*?)` \| `([0-9a-f]{64})` \| ([\d-]+) \|$", text, re.MULTILINE)
        assert len(rows) == 2
        for name, digest, expires in rows:
            root = published[digest]
            assert f"CN={name}" in root.subject.rfc4514_string()
            assert root.not_valid_after_utc.date().isoformat() == expires
        assert set(re.findall(r"- ([0-9a-f]{64})$", text, re.MULTILINE)) == {row[1] for row in rows}


def test_both_quick_starts_name_the_same_addresses():
    def addresses(page):
        return {
            found.rstrip(".,`")
            for found in re.findall(r"https?://[^\s`)>]+", (ROOT / "docs" / page).read_text())
            if "<" not in found
        }

    german, english = addresses("de/schnellstart.md"), addresses("quick-start.md")
    assert german <= english
    assert english - german <= {"https://registration.example.de/federationList.jws"} | {
        each for each in english if "idp.app" in each
    }


def test_files_that_shell_commands_copy_are_there():
    named = {
        name
        for document in DOCUMENTS
        for body in re.findall(r"```sh\n(.*?)```", document.read_text(), re.DOTALL)
        for name in re.findall(r"\bcontrib/\S+", body)
    }
    assert named
    assert [name for name in named if not (ROOT / name).exists()] == []
