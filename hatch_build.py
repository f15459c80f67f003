"""Adds what is found when the package is built: its repository, its commit, the evidence of its tests."""

import os
import re
import runpy
import subprocess
import tempfile
from pathlib import Path

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from hatchling.metadata.plugin.interface import MetadataHookInterface

#: The name of a file in the package.
COMMIT = "commit.txt"


class RepositoryUrls(MetadataHookInterface):
    """Puts URLs into the metadata: those of the repository that the package is built from.

    That is the one that CI names (GitHub, Forgejo, Gitea, GitLab), or else the remote ``origin``. A build
    from anywhere else has none, rather than wrong ones.
    """

    PLUGIN_NAME = "custom"

    def update(self, metadata):
        """Set ``urls``; a source distribution says itself where it is from."""
        if Path(self.root, "PKG-INFO").exists():
            return
        if base := repository(os.environ, self.root):
            metadata["urls"] = {
                "Documentation": f"{base}/blob/HEAD/README.md",
                "Source": base,
                "Changelog": f"{base}/blob/HEAD/CHANGELOG.md",
                "Issues": f"{base}/issues",
                "Security": f"{base}/blob/HEAD/SECURITY.md",
            }


class Found(BuildHookInterface):
    """Puts files into what is built.

    Into archives the commit, for ``synapse-tim --version``; a checkout that is installed as it is changes
    after that, and gets none. Into the wheel which tests show which requirement, for
    ``synapse-tim compliance``: found in their source, which is not run.
    """

    PLUGIN_NAME = "custom"

    def initialize(self, version, build_data):
        """Collect it."""
        self.scratch = tempfile.TemporaryDirectory()
        for name, text in found(self.root, self.target_name, version):
            file = Path(self.scratch.name, Path(name).name)
            file.write_text(text, "utf-8")
            file.chmod(0o644)
            build_data["force_include"][str(file)] = f"synapse_tim/{name}"

    def finalize(self, version, build_data, artifact_path):
        """Remove the files that were copied."""
        self.scratch.cleanup()


def found(root, target, version):
    """Files in the package and their text, for ``sdist`` or ``wheel``, ``standard`` or ``editable``."""
    if version != "editable" and (named := commit(root)):
        yield COMMIT, f"{named}\n"
    if target == "wheel":
        collector = runpy.run_path(str(Path(root, "synapse_tim", "compliance", "evidence.py")))
        yield "compliance/evidence.json", collector["to_json"](collector["collect"](Path(root, "tests")))


def commit(root):
    """The commit that is built; of a source distribution, that of which it was made; ``None`` if unknown."""
    known = Path(root, "synapse_tim", COMMIT)
    if known.exists():
        return known.read_text("utf-8").strip()
    if not Path(root, ".git").exists():
        return None  # an unpacked archive, perhaps inside of another repository
    head = git(root, "rev-parse", "HEAD")
    return f"{head}, changed" if head and git(root, "status", "--porcelain") else head or None


def git(root, *arguments):
    """What git says, or nothing if there is no git."""
    command = ["git", "-C", root, *arguments]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    except OSError:
        return ""


def repository(environment, root):
    """Where the repository is on the web, or ``None`` if nobody says."""
    for server, path in (("GITHUB_SERVER_URL", "GITHUB_REPOSITORY"), ("CI_SERVER_URL", "CI_PROJECT_PATH")):
        if environment.get(server) and environment.get(path):
            return f"{environment[server].rstrip('/')}/{environment[path]}"
    return web_address(git(root, "config", "--get", "remote.origin.url"))


def web_address(remote):
    """The page of a remote such as ``git@host:owner/name.git``; ``None`` if it is a path or the like."""
    found = re.fullmatch(
        r"(?:(?:https|ssh|git)://(?:[^@/]+@)?(?P<host>[\w.-]+)(?::\d+)?/|(?:[\w.-]+@)(?P<scp>[\w.-]+):)"
        r"(?P<path>[\w./~-]+?)(?:\.git)?/?",
        remote,
    )
    return f"https://{found['host'] or found['scp']}/{found['path']}" if found else None
