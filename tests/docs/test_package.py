"""What the package says about itself, and what a source distribution contains."""

import json
import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from synapse_tim.compliance.evidence import collect

ROOT = Path(__file__).resolve().parents[2]
hatchling = pytest.importorskip("hatchling")

#: What no environment of a test may say.
HOSTS = {"GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "CI_SERVER_URL", "CI_PROJECT_PATH"}


def metadata(monkeypatch, **environment):
    for name in HOSTS:
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    command = [sys.executable, "-m", "hatchling", "metadata"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_it_has_authors_and_the_urls_of_its_repository(monkeypatch):
    found = metadata(
        monkeypatch, GITHUB_SERVER_URL="https://git.example.org", GITHUB_REPOSITORY="somebody/synapse_tim"
    )
    assert found["authors"] == [{"name": "The synapse_tim authors"}]
    assert set(found["urls"]) == {"Documentation", "Source", "Changelog", "Issues", "Security"}
    for url in found["urls"].values():
        page = url.removeprefix("https://git.example.org/somebody/synapse_tim").removeprefix("/blob/HEAD/")
        assert page in ("", "/issues") or (ROOT / page).is_file()


def test_from_elsewhere_it_names_the_repository_of_that_host(monkeypatch):
    found = metadata(
        monkeypatch, CI_SERVER_URL="https://gitlab.example.org", CI_PROJECT_PATH="a/b/synapse_tim"
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
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (archive,) = to.iterdir()
    return archive


@pytest.fixture(scope="module")
def sdist(tmp_path_factory):
    """A source distribution."""
    return build(ROOT, "sdist", tmp_path_factory.mktemp("sdist"))


def test_the_source_distribution_can_be_read(sdist):
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    linked = {path.name for path in ROOT.glob("*.md")}
    assert {*linked, "LICENSE", "hatch_build.py", "pyproject.toml", "tox.ini", "tests/conftest.py"} <= names


def test_a_wheel_made_of_it_contains_the_evidence(sdist, tmp_path):
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path / "unpacked", filter="data")
    (unpacked,) = (tmp_path / "unpacked").iterdir()
    with zipfile.ZipFile(build(unpacked, "wheel", tmp_path / "wheel")) as wheel:
        assert "synapse_tim/compliance/requirements.yaml" in wheel.namelist()
        evidence = json.loads(wheel.read("synapse_tim/compliance/evidence.json"))
        wheel.extractall(tmp_path / "site")
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
