"""``synapse-tim federation-list mirror``: one process that serves the list to many homeservers."""

import argparse
import logging
import sys
from typing import Any, Final

_EXAMPLE: Final = """\
Example of a file:

  listen: 10.0.0.5:8480
  metrics: 127.0.0.1:9480
  database: /var/lib/synapse-tim-mirror/mirror.db
  federation_list:        # as in homeserver.yaml
    url: https://…
    vzd_credentials: …
    refresh_interval: 1m
    trust: …

Example: synapse-tim federation-list mirror /etc/synapse-tim/mirror.yaml
"""


def add_action(actions: Any) -> None:
    """Add ``mirror`` to the actions of ``federation-list``."""
    parser = actions.add_parser(
        "mirror",
        help="fetch the list, roots, sub-CAs and OCSP answers, and serve them to many homeservers",
        description="Runs until it is stopped. Exit code 2: the file is wrong, or an address is taken.",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("config", metavar="FILE", help="configuration of the mirror, in YAML")
    parser.add_argument("--check", action="store_true", help="only check the file and what it names")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Run the mirror."""
    # Twisted and Synapse take a second to load; the other actions need neither.
    from synapse.module_api.errors import ConfigError

    from synapse_tim.adapter.config_block import CONFIG_PATH, validate_block
    from synapse_tim.check.files import read_config
    from synapse_tim.federation.assembly import read_files
    from synapse_tim.mirror.config import MirrorConfig
    from synapse_tim.mirror.server import MirrorError, run_mirror

    config = validate_block(MirrorConfig, read_config([options.config]).document)
    if isinstance(config, list):
        for each in config:
            print(f"{options.config}: {'.'.join(map(str, each.keys))}: {each}", file=sys.stderr)
        return 2
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger("twisted").setLevel(logging.WARNING)
    try:
        if options.check:
            read_files(config.federation_list)
            print(f"{options.config}: ok")
        else:
            run_mirror(config)
    except ConfigError as error:
        print(f"{options.config}: {error.msg.replace(f'{CONFIG_PATH}.', '')}", file=sys.stderr)
        return 2
    except MirrorError as error:
        print(f"{options.config}: {error}", file=sys.stderr)
        return 2
    return 0
