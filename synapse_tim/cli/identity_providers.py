"""``synapse-tim identity-providers``: the providers for insured persons that a federation master lists.

Its list is verified with the keys in a file, as the homeserver would verify it. It names the ``issuer`` of
a provider in the block ``login``.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import attrs

from synapse_tim.admin.output import print_json, print_table, progress
from synapse_tim.cli.settings import CommandError

_EXAMPLE: Final = (
    "Example: synapse-tim identity-providers https://app.federationmaster.de --jwks federation-master.json. "
    "Exit code: 0 listed, 1 the list is not to be believed, 2 no answer."
)


def add_command(commands: Any) -> None:
    """Add ``identity-providers`` to the commands."""
    parser = commands.add_parser(
        "identity-providers", help="list the sectoral identity providers of the federation", epilog=_EXAMPLE
    )
    parser.add_argument("trust_anchor", metavar="URL", help="identifier of the federation master")
    parser.add_argument("--jwks", required=True, type=Path, metavar="FILE", help="its keys, as a JWK set")
    parser.add_argument("--ca-certificates", type=Path, metavar="FILE", help="CAs to trust for TLS")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Fetch, verify and print the list."""
    from synapse_tim.adapter.clock import utc_now
    from synapse_tim.login.provider_keys import KeyFile, KeysUnavailableError
    from synapse_tim.openid_federation.client import FederationClient
    from synapse_tim.openid_federation.errors import FederationError, FederationReason
    from synapse_tim.openid_federation.rules.chain import TrustAnchor
    from synapse_tim.transport.fetcher import Fetcher
    from synapse_tim.transport.tls import client_context

    if urlsplit(options.trust_anchor).scheme != "https":
        raise CommandError("expected an https URL of the federation master")
    try:
        keys = KeyFile(options.jwks).fetch()
        fetcher = Fetcher(client_context(options.ca_certificates))
    except KeysUnavailableError as error:
        raise CommandError(f"{options.jwks}: {error}") from None
    except OSError as error:
        raise CommandError(f"{options.ca_certificates}: {error}") from None
    client = FederationClient(fetcher, TrustAnchor(options.trust_anchor, keys), utc_now)
    try:
        with progress("Asking the federation master"):
            listed = client.listed()
    except FederationError as error:
        if error.reason is FederationReason.UNREACHABLE:
            raise CommandError(f"no answer: {error}") from None
        print(f"refused: {error}")
        return 1
    finally:
        fetcher.close()
    if options.json:
        print_json({"providers": [attrs.asdict(provider) for provider in listed]})
    else:
        rows = [(provider.organization_name, provider.entity_id) for provider in listed]
        print_table(("name", "issuer"), rows)
    return 0
