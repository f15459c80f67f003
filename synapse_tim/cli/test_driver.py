"""``synapse-tim test-driver``: gematik's TI-Messenger-Testsuite against real homeservers."""

import argparse
import logging
import sys
import threading
from typing import Any, Final

from synapse_tim.cli.settings import CommandError

_EXAMPLE: Final = """\
Example of a file; each interface is below the path that "apis" gives it:

  listen: 10.0.0.5:8480
  tls: {certificate: driver.pem, client_ca: suite-ca.pem}   # mutual TLS, as the suite wants it
  directory: {url: https://fhir-directory-ref.vzd.ti-dienste.de}
  apis:
    hospital:
      homeserver: {name: hospital.example, url: https://matrix.hospital.example}
      product: pro
      spec_version: "1.2"
      devices:
        - {name: doctor, username: doctor, password: …}

Example: synapse-tim test-driver driver.yaml
"""


def add_command(commands: Any) -> None:
    """Add ``test-driver``."""
    parser = commands.add_parser(
        "test-driver",
        help="serve the test driver that gematik's TI-Messenger-Testsuite asks for",
        description="Runs until it is stopped. Needs the extras testing and driver. "
        "Exit code 2: the file is wrong, or the address is taken.",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("config", metavar="FILE", help="configuration, in YAML")
    parser.add_argument("--check", action="store_true", help="only check the file")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Serve until interrupted."""
    from pydantic import ValidationError

    from synapse_tim.check.files import read_config

    try:
        from synapse_tim.testing.driver import DriverConfig, TestDriver
        from synapse_tim.testing.driver.encryption import is_available
    except ModuleNotFoundError as error:
        raise CommandError(f'the test driver needs "synapse-tim[testing,driver]": {error}') from None

    try:
        config = DriverConfig.model_validate(read_config([options.config]).document)
    except ValidationError as error:
        for each in error.errors(include_url=False):
            print(f"{options.config}: {'.'.join(map(str, each['loc']))}: {each['msg']}", file=sys.stderr)
        return 2
    if any(api.encrypt for api in config.apis.values()) and not is_available():
        raise CommandError(
            'encryption needs "synapse-tim[driver]"; or set "encrypt: false" for each interface'
        )
    if options.check:
        print(f"{options.config}: ok")
        return 0
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    logging.getLogger("nio").setLevel(logging.ERROR)
    try:
        driver = TestDriver(config)
    except OSError as error:
        raise CommandError(f"{config.listen}: {error.strerror or error}") from None
    with driver:
        scheme = "https" if config.tls else "http"
        for name in config.apis:
            print(f"{scheme}://{config.address[0]}:{driver.port}/{name}", flush=True)
        threading.Event().wait()
    return 0
