"""Puts URLs into the metadata of the package: those of the repository that it is built from.

That is the one that CI names (GitHub, Forgejo, Gitea, GitLab), or else the remote ``origin``. A build from
anywhere else has none, rather than wrong ones.
"""

import os
import re
import subprocess

from hatchling.metadata.plugin.interface import MetadataHookInterface


class RepositoryUrls(MetadataHookInterface):
    """The hook ``custom`` of hatchling."""

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
