"""Make ``constraints/synapse-*.txt``: releases of all packages that fit one release of Synapse.

``tox -e constraints`` makes all of them anew, ``tox -e constraints -- 1.163`` one; it needs the network.
"""

import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DIRECTORY = ROOT / "constraints"
#: First and last minor number that is supported.
SUPPORTED = (153, 163)
OPTIONS = ("pip", "compile", "--universal", "--no-annotate", "--no-header", "--quiet")
HEADER = """\
# What an installation of synapse_tim beside Synapse {minor} consists of, with Redis and OpenID Connect.
# Made by `tox -e constraints`.
"""


def make(minor):
    """Resolve what is needed, for every Python and platform, and write it down."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["workers"]]
    wanted.append(f"matrix-synapse[oidc,redis]=={minor}.*")
    with tempfile.TemporaryDirectory() as directory:
        requirements = Path(directory, "requirements.in")
        requirements.write_text("\n".join(wanted))
        found = subprocess.run(
            ["uv", *OPTIONS, "--python-version", project["requires-python"][2:], requirements],
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
    (DIRECTORY / f"synapse-{minor}.txt").write_text(HEADER.format(minor=minor) + found.stdout)


def main(minors):
    """Make the files of some releases such as ``1.163``, or of all."""
    first, last = SUPPORTED
    for minor in minors or [f"1.{number}" for number in range(first, last + 1)]:
        make(minor)


if __name__ == "__main__":
    main(sys.argv[1:])
