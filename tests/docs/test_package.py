"""What the package says about itself, and what a source distribution contains."""

import hashlib
import json
import os
import re
import runpy
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from synapse_tim import __version__
from synapse_tim.compliance.evidence import collect
from tests.support.tested import PAGE, RECORD, page

ROOT = Path(__file__).resolve().parents[2]
hatchling = pytest.importorskip("hatchling")

#: Of the files in what is built: 2026-11-30.
EPOCH = "1796000000"
#: What no environment of a test may say.
HOSTS = {"GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "CI_SERVER_URL", "CI_PROJECT_PATH"}


def metadata(monkeypatch, directory, **environment):
    for name in HOSTS:
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    command = [sys.executable, "-m", "hatchling", "metadata"]
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_it_has_authors_and_the_urls_of_its_repository(monkeypatch, checkout):
    found = metadata(
        monkeypatch,
        checkout,
        GITHUB_SERVER_URL="https://git.example.org",
        GITHUB_REPOSITORY="somebody/synapse_tim",
    )
    assert found["authors"] == [{"name": "synapse_tim"}]
    assert set(found["urls"]) == {"Documentation", "Source", "Changelog", "Issues", "Security"}
    for url in found["urls"].values():
        page = url.removeprefix("https://git.example.org/somebody/synapse_tim").removeprefix("/blob/HEAD/")
        assert page in ("", "/issues") or (ROOT / page).is_file()


def test_from_elsewhere_it_names_the_repository_of_that_host(monkeypatch, checkout):
    found = metadata(
        monkeypatch, checkout, CI_SERVER_URL="https://gitlab.example.org", CI_PROJECT_PATH="a/b/synapse_tim"
    )
    assert found["urls"]["Source"] == "https://gitlab.example.org/a/b/synapse_tim"


@pytest.mark.parametrize(
    ("remote", "page"),
    [
        ("https://git.example.org/somebody/synapse_tim.git", "https://git.example.org/somebody/synapse_tim"),
        ("https://me:secret@git.example.org/a/b", "https://git.example.org/a/b"),
        ("git@git.example.org:somebody/synapse_tim.git", "https://git.example.org/somebody/synapse_tim"),
        ("ssh://git@git.example.org:2222/a/b.git", "https://git.example.org/a/b"),
        ("/srv/git/synapse_tim.git", None),
        ("../synapse_tim", None),
        ("file:///srv/git/synapse_tim.git", None),
        ("", None),
    ],
)
def test_a_remote_has_a_page_without_anybodys_password(remote, page):
    code = f"import hatch_build; print(hatch_build.web_address({remote!r}))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == f"{page}\n"


def build(directory, target, to):
    """What hatchling makes, without an environment of its own: nothing else is needed."""
    command = [sys.executable, "-P", "-m", "hatchling", "build", "-t", target, "-d", str(to)]
    environment = {**os.environ, "SOURCE_DATE_EPOCH": EPOCH}
    done = subprocess.run(
        command, cwd=directory, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    (archive,) = to.iterdir()
    return archive


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """What is here, as a repository with one commit."""
    directory = tmp_path_factory.mktemp("checkout") / "synapse_tim"
    left_out = shutil.ignore_patterns(
        ".*", "__pycache__", "build", "dist", "*.egg-info", "commit.txt", "PKG-INFO"
    )
    shutil.copytree(ROOT, directory, ignore=left_out)
    shutil.copy(ROOT / ".gitignore", directory)
    git(directory, "init", "--quiet")
    git(directory, "add", "--all")
    git(directory, "-c", "user.name=Test", "-c", "user.email=test@example.org", "commit", "-qm", "Test")
    return directory


def git(directory, *arguments):
    command = ["git", "-C", directory, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture(scope="module")
def sdist(checkout, tmp_path_factory):
    """A source distribution."""
    return build(checkout, "sdist", tmp_path_factory.mktemp("sdist"))


@pytest.fixture(scope="module")
def unpacked(sdist, tmp_path_factory):
    """The directory in it, with the times at which it was unpacked."""
    to = tmp_path_factory.mktemp("unpacked")
    with tarfile.open(sdist) as archive:
        archive.extractall(to, filter="data")
    (directory,) = to.iterdir()
    for path in directory.rglob("*"):
        os.utime(path)
    return directory


@pytest.fixture(scope="module")
def wheel(checkout, tmp_path_factory):
    """A wheel, made of the checkout."""
    return build(checkout, "wheel", tmp_path_factory.mktemp("wheel"))


def test_the_source_distribution_can_be_read(sdist):
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    linked = {path.name for path in ROOT.glob("*.md")}
    assert {*linked, "LICENSE", "hatch_build.py", "pyproject.toml", "tox.ini", "tests/conftest.py"} <= names


def test_two_builds_are_the_same_bit_by_bit(sdist, wheel, unpacked, monkeypatch, tmp_path):
    """In another directory, of files of another time, with other permissions, elsewhere."""
    monkeypatch.setenv("TZ", "Pacific/Auckland")
    monkeypatch.setenv("PYTHONHASHSEED", "7")
    monkeypatch.setenv("GITHUB_SERVER_URL", "https://git.example.org")
    monkeypatch.setenv("GITHUB_REPOSITORY", "somebody/else")
    before = os.umask(0o077)
    try:
        again = {target: build(unpacked, target, tmp_path / target) for target in ("sdist", "wheel")}
    finally:
        os.umask(before)
    assert again["sdist"].read_bytes() == sdist.read_bytes()
    assert again["wheel"].read_bytes() == wheel.read_bytes()
    with zipfile.ZipFile(wheel) as archive:
        assert {info.date_time[:3] for info in archive.infolist()} == {(2026, 11, 30)}


def version_of(directory):
    """What ``synapse-tim --version`` says of a package in a directory."""
    done = subprocess.run(
        [sys.executable, "-P", "-m", "synapse_tim", "--version"],
        cwd=directory.parent,
        env={**os.environ, "PYTHONPATH": str(directory)},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def test_the_version_of_a_wheel_names_the_commit(checkout, wheel, tmp_path):
    commit = git(checkout, "rev-parse", "HEAD")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    assert version_of(tmp_path / "site") == f"synapse_tim {__version__} (commit {commit})\n"
    # A checkout changes after it was installed: there is no commit to name.
    assert version_of(checkout) == f"synapse_tim {__version__}\n"


def test_what_was_changed_or_is_no_repository_does_not_name_its_commit(checkout, tmp_path):
    commit = runpy.run_path(str(ROOT / "hatch_build.py"))["commit"]
    named = git(checkout, "rev-parse", "HEAD")
    assert commit(checkout) == named
    (checkout / "new.py").touch()
    assert commit(checkout) == f"{named}, changed"
    (checkout / "new.py").unlink()
    # What is unpacked within another repository is not of its commit.
    (checkout / "unpacked").mkdir()
    assert commit(checkout / "unpacked") is None
    (checkout / "unpacked").rmdir()


def test_a_checkout_that_is_installed_as_it_is_has_no_commit(checkout):
    found = runpy.run_path(str(ROOT / "hatch_build.py"))["found"]
    assert "commit.txt" in dict(found(checkout, "sdist", "standard"))
    assert dict(found(checkout, "sdist", "editable")) == {}


def test_a_wheel_contains_the_evidence(wheel, tmp_path):
    with zipfile.ZipFile(wheel) as archive:
        assert "synapse_tim/compliance/requirements.yaml" in archive.namelist()
        evidence = json.loads(archive.read("synapse_tim/compliance/evidence.json"))
        archive.extractall(tmp_path / "site")
    assert evidence == collect(ROOT / "tests")
    shown = subprocess.run(
        [sys.executable, "-P", "-m", "synapse_tim", "compliance", "A_28271"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path / "site")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (shown.returncode, shown.stderr) == (0, "")
    assert all(test in shown.stdout for test in evidence["A_28271"])


# Supported releases of Synapse


def supported():
    """First and last minor number."""
    constraints = runpy.run_path(str(ROOT / "contrib/release/constraints.py"))
    return constraints["SUPPORTED"]


def test_there_are_constraints_and_an_environment_for_each_supported_synapse():
    first, last = supported()
    tox = (ROOT / "tox.ini").read_text()
    assert f"matrix-synapse>=1.{first},<2" in (ROOT / "pyproject.toml").read_text()
    assert f"Synapse 1.{first} to 1.{last}," in (ROOT / "README.md").read_text()
    names = {f"synapse-1.{minor}.txt" for minor in range(first, last + 1)}
    assert {path.name for path in (ROOT / "constraints").iterdir()} == names
    for minor in range(first, last + 1):
        text = (ROOT / f"constraints/synapse-1.{minor}.txt").read_text()
        assert re.search(rf"^matrix-synapse==1\.{minor}\.\d+$", text, re.MULTILINE)
        assert re.search(r"^txredisapi==1\.5\.", text, re.MULTILINE), "1.6 does not work"
        assert f"1{minor}: -c{{toxinidir}}/constraints/synapse-1.{minor}.txt\n" in tox


def test_the_table_of_what_was_tested_is_what_ran():
    known = json.loads(RECORD.read_text())
    assert PAGE.read_text() == page(PAGE.read_text(), known)
    first, last = supported()
    for entry in known.values():
        minor = int(entry["synapse"].split(".")[1])
        assert minor >= first
        assert minor <= last or "rc" in entry["synapse"]
        assert not any(numbers["failed"] for numbers in entry["tests"].values())


def test_an_installation_has_a_list_of_what_it_consists_of(wheel, monkeypatch, tmp_path):
    shutil.copy(wheel, tmp_path)
    command = [sys.executable, ROOT / "contrib/release/sbom.py", tmp_path]
    subprocess.run(command, check=True)
    first, last = supported()
    documents = {file.name: file.read_bytes() for file in tmp_path.glob("*.cdx.json")}
    name = f"synapse_tim-{__version__}-synapse-1.{last}.cdx.json"
    assert len(documents) == last - first + 1
    errors = JsonStrictValidator(SchemaVersion.V1_6).validate_str(documents[name].decode())
    assert errors is None
    document = json.loads(documents[name])
    root = document["metadata"]["component"]
    assert (root["name"], root["version"]) == ("synapse-tim", __version__)
    (digest,) = root["hashes"]
    assert digest["content"] == hashlib.sha256(wheel.read_bytes()).hexdigest()
    purls = {component["purl"] for component in document["components"]}
    pinned = (ROOT / f"constraints/synapse-1.{last}.txt").read_text()
    (synapse,) = re.findall(r"^matrix-synapse==(.*)$", pinned, re.MULTILINE)
    assert f"pkg:pypi/matrix-synapse@{synapse}" in purls
    (direct,) = (each for each in document["dependencies"] if each["ref"] == root["bom-ref"])
    assert f"pkg:pypi/matrix-synapse@{synapse}" in direct["dependsOn"]
    assert not any("pytest" in purl for purl in purls)
    # Once more, it is the same.
    subprocess.run(command, check=True)
    assert {file.name: file.read_bytes() for file in tmp_path.glob("*.cdx.json")} == documents
