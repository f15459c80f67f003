"""Adds what is found when the package is built: URLs of its repository, and the evidence of its tests."""

import os
import re
import runpy
import subprocess
import tempfile
from pathlib import Path

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from hatchling.metadata.plugin.interface import MetadataHookInterface


class RepositoryUrls(MetadataHookInterface):
    """Puts URLs into the metadata: those of the repository that the package is built from.

    That is the one that CI names (GitHub, Forgejo, Gitea, GitLab), or else the remote ``origin``. A build
    from anywhere else has none, rather than wrong ones.
    """

    PLUGIN_NAME = "custom"

    def update(self, metadata):
        """Set ``urls``."""
        if base := repository(os.environ, self.root):
            metadata["urls"] = {
                "Documentation": f"{base}/blob/HEAD/README.md",
                "Source": base,
                "Changelog": f"{base}/blob/HEAD/CHANGELOG.md",
                "Issues": f"{base}/issues",
                "Security": f"{base}/blob/HEAD/SECURITY.md",
            }


class Evidence(BuildHookInterface):
    """Puts into the wheel which tests show which requirement: found in their source, which is not run."""

    PLUGIN_NAME = "custom"

    def initialize(self, version, build_data):
        """Collect it for ``synapse-tim compliance``, which reads the tests themselves in a checkout."""
        package = Path(self.root, "synapse_tim", "compliance")
        collector = runpy.run_path(str(package / "evidence.py"))
        self.scratch = tempfile.TemporaryDirectory()
        file = Path(self.scratch.name, "evidence.json")
        file.write_text(collector["to_json"](collector["collect"](Path(self.root, "tests"))), "utf-8")
        build_data["force_include"][str(file)] = "synapse_tim/compliance/evidence.json"

    def finalize(self, version, build_data, artifact_path):
        """Remove the file that was copied."""
        self.scratch.cleanup()


def repository(environment, root):
    """Where the repository is on the web, or ``None`` if nobody says."""
    for server, path in (("GITHUB_SERVER_URL", "GITHUB_REPOSITORY"), ("CI_SERVER_URL", "CI_PROJECT_PATH")):
        if environment.get(server) and environment.get(path):
            return f"{environment[server].rstrip('/')}/{environment[path]}"
    git = ["git", "-C", root, "config", "--get", "remote.origin.url"]
    try:
        origin = subprocess.run(git, capture_output=True, text=True, check=False).stdout.strip()
    except OSError:
        return None
    return web_address(origin)


def web_address(remote):
    """The page of a remote such as ``git@host:owner/name.git``; ``None`` if it is a path or the like."""
    found = re.fullmatch(
        r"(?:(?:https|ssh|git)://(?:[^@/]+@)?(?P<host>[\w.-]+)(?::\d+)?/|(?:[\w.-]+@)(?P<scp>[\w.-]+):)"
        r"(?P<path>[\w./~-]+?)(?:\.git)?/?",
        remote,
    )
    return f"https://{found['host'] or found['scp']}/{found['path']}" if found else None
