"""Units of systemd, files of workers, rules of Traefik in contrib, looked at without running them."""

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from synapse_tim.cli import main
from synapse_tim.core.products import Product, SpecVersion
from tests.cli.configurations import make_files, sound
from tests.support.reverse_proxies import CLIENT, CONFIGURATIONS, KEPT_AWAY, PASSED

CONTRIB = Path(__file__).resolve().parents[2] / "contrib"
UNITS = sorted((CONTRIB / "systemd").iterdir())


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_systemd_understands_the_units(tmp_path):
    for unit in UNITS:
        # That programs are not there is not what is looked for.
        text = re.sub(r"/opt/synapse/bin/[\w-]+", shutil.which("true"), unit.read_text())
        (tmp_path / unit.name).write_text(text)
    units = [str(tmp_path / unit.name.replace("@", "@worker1")) for unit in UNITS]
    command = ["systemd-analyze", "verify", "--man=no", *units]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    said = [line for line in (done.stdout + done.stderr).splitlines() if str(tmp_path) in line]
    assert (done.returncode, said) == (0, []), done.stderr


def settings(unit, key):
    return [shlex.split(line) for line in re.findall(rf"^{key}=(.*)$", unit.read_text(), re.MULTILINE)]


@pytest.fixture
def etc(tmp_path):
    """``/etc/synapse`` as the pages describe it."""
    make_files(tmp_path)
    config = sound(tmp_path, Product.PRO, SpecVersion.V1_2)
    (tmp_path / "homeserver.yaml").write_text(yaml.safe_dump(config))
    for directory in ("conf.d", "workers"):
        (tmp_path / directory).mkdir()
    secret = tmp_path / "replication_secret"
    secret.write_text("secret" * 8)
    secret.chmod(0o600)
    assert config["log_config"] == str(tmp_path / "log.yaml")
    return tmp_path


def with_workers(etc):
    for name, to in {
        "shared": "conf.d/workers",
        "worker1": "workers/worker1",
        "worker2": "workers/worker2",
    }.items():
        text = (CONTRIB / "workers" / f"{name}.yaml").read_text().replace("/etc/synapse", str(etc))
        (etc / f"{to}.yaml").write_text(text)


def test_what_runs_before_the_start_finds_nothing_wrong(etc, capsys):
    for name in ("synapse.service", "synapse-main.service"):
        if name == "synapse-main.service":
            with_workers(etc)
        (command,) = settings(CONTRIB / "systemd" / name, "ExecStartPre")
        assert command[0] == "/opt/synapse/bin/synapse-tim"
        assert main([each.replace("/etc/synapse", str(etc)) for each in command[1:]]) == 0, (
            capsys.readouterr().out
        )


def test_what_is_checked_is_what_is_started():
    for name in ("synapse.service", "synapse-main.service"):
        unit = CONTRIB / "systemd" / name
        (check,), (start,) = settings(unit, "ExecStartPre"), settings(unit, "ExecStart")
        files = [each for each, before in zip(start[1:], start, strict=False) if before == "-c"]
        assert check[2 : 2 + len(files)] == files
        workers = check[2 + len(files) :]
        assert workers[::2] == ["--worker"] * (len(workers) // 2)
        assert [Path(each).name for each in workers[1::2]] in ([], ["worker1.yaml", "worker2.yaml"])
    target = (CONTRIB / "systemd" / "synapse.target").read_text()
    assert "synapse-worker@worker1.service synapse-worker@worker2.service" in target


def test_the_proxies_know_where_the_workers_listen():
    def ports(name):
        document = yaml.safe_load((CONTRIB / "workers" / f"{name}.yaml").read_text())
        return {
            each["port"]: each["resources"][0]["names"]
            for each in document.get("worker_listeners", document.get("listeners"))
            if each["type"] == "http"
        }

    assert set(ports("shared")) == {8008, 9093}
    assert ports("worker1") == {8081: ["client"]}
    assert ports("worker2") == {8082: ["federation"]}
    for file in CONFIGURATIONS.iterdir():
        wanted = {"8008", "8081", "8082"} if "workers" in file.name else {"8008"}
        assert set(re.findall(r"127\.0\.0\.1:(\d+)", file.read_text())) == wanted, file.name


# Traefik, which Debian does not have: its rules, read as its documentation explains them


def service(document, path):
    """Where a request gets to, or ``None``."""
    path = path.partition("?")[0]
    routers = document["http"]["routers"].values()
    for router in sorted(routers, key=lambda router: -router["priority"]):
        host, rule = router["rule"].split(" && ", 1)
        assert host == "Host(`messenger.example.de`)"
        conditions = re.findall(r"(PathPrefix|PathRegexp|Path)\(`(.*?)`\)", rule)
        assert conditions
        for kind, value in conditions:
            if {
                "Path": path == value,
                "PathPrefix": path.startswith(value),
                "PathRegexp": re.search(value, path),
            }[kind]:
                return router["service"]
    return None


@pytest.mark.parametrize("file", ["traefik.yaml", "traefik-workers.yaml"])
def test_traefik_passes_what_the_modules_serve_and_nothing_else(file):
    document = yaml.safe_load((CONFIGURATIONS / file).read_text())
    assert [path for path in PASSED if service(document, path) is None] == []
    # Traefik looks at a path without ".." and the like.
    literal = [path for path in KEPT_AWAY if ".." not in path and "%" not in path and "//" not in path]
    assert [path for path in literal if service(document, path)] == []
    services = set(document["http"]["services"])
    assert {router["service"] for router in document["http"]["routers"].values()} == services


def test_traefik_brings_each_request_to_a_process_that_serves_it():
    document = yaml.safe_load((CONFIGURATIONS / "traefik-workers.yaml").read_text())
    for path, wanted in {
        f"{CLIENT}/sync": "clients",
        f"{CLIENT}/rooms/!a:b/send/m.room.message/1": "clients",
        f"{CLIENT}/rooms/!a:b/typing/@a:b": "main",
        f"{CLIENT}/keys/upload": "main",
        "/_matrix/federation/v1/version": "federation",
        "/_matrix/media/v3/config": "main",
        "/tim-information": "clients",
        "/.well-known/matrix/support": "clients",
        "/.well-known/matrix/client": "main",
    }.items():
        assert service(document, path) == wanted, path
