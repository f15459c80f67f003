"""``synapse-tim federation-list verify|show|diff|mirror``: verifies a signed list and shows it.

The first three verify before they say anything: what is not signed by the directory is not shown. Revocation
is not looked up unless ``--ocsp`` says so: a responder is seldom reachable from where one looks at files.
"""

import argparse
import datetime as dt
import sys
from pathlib import Path
from typing import Any

from synapse_tim.admin.output import moment, print_facts, print_json, print_table, progress
from synapse_tim.cli import mirror
from synapse_tim.core.errors import ReasonError
from synapse_tim.core.server_name import normalise
from synapse_tim.federation.acceptance import check_times
from synapse_tim.federation.compiled import VerifiedList
from synapse_tim.federation.refusals import ListRefusedError, Refusal
from synapse_tim.federation.source import ListSource
from synapse_tim.federation.verifier import ListVerifier
from synapse_tim.jose.large_jws import ALGORITHM_CURVES, JwsLimits
from synapse_tim.pki.certificate_source import (
    CertificateSource,
    DownloadDirectory,
    DownloadServer,
    read_root,
)
from synapse_tim.pki.certificates import describe
from synapse_tim.pki.ocsp_client import OcspClient
from synapse_tim.pki.revocation import OcspMode
from synapse_tim.pki.trust_store import TrustStore
from synapse_tim.transport.fetcher import Fetcher
from synapse_tim.transport.tls import client_context

_PRODUCTION = "https://download.tsl.ti-dienste.de"
_EXAMPLE = (
    "Example: synapse-tim federation-list verify federationList.jws"
    " --pinned-root GEM.RCA8.der --ca-dir ./download"
)


def add_command(commands: Any) -> None:
    """Add ``federation-list`` to the commands."""
    parser = commands.add_parser(
        "federation-list", help="verify, show, compare or mirror signed federation lists", epilog=_EXAMPLE
    )
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    shared = _shared_options()

    verify = actions.add_parser(
        "verify", parents=[shared], help="verify a list and summarise it", epilog=_EXAMPLE
    )
    verify.add_argument("list", metavar="FILE|URL")
    verify.set_defaults(run=_guarded(_verify))

    show = actions.add_parser(
        "show",
        parents=[shared],
        help="verify a list and show its domains (all, or one)",
        epilog="Example: synapse-tim federation-list show list.jws messenger.example.de --pinned-root …",
    )
    show.add_argument("list", metavar="FILE|URL")
    show.add_argument("domain", nargs="?", metavar="DOMAIN", help="exit 1 if it is not in the list")
    show.set_defaults(run=_guarded(_show))

    diff = actions.add_parser(
        "diff",
        parents=[shared],
        help="verify two lists and show what changed",
        epilog="Example: synapse-tim federation-list diff old.jws new.jws --pinned-root …",
    )
    diff.add_argument("old", metavar="OLD")
    diff.add_argument("new", metavar="NEW")
    diff.set_defaults(run=_guarded(_diff))
    mirror.add_action(actions)


def _shared_options() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(add_help=False)
    options.add_argument(
        "--pinned-root",
        action="append",
        required=True,
        metavar="SHA256|FILE",
        help="a root certificate to trust: its SHA-256 fingerprint or its file; may be repeated",
    )
    source = options.add_mutually_exclusive_group()
    source.add_argument("--ca-base-url", metavar="URL", help=f"download server (default: {_PRODUCTION})")
    source.add_argument("--ca-dir", type=Path, metavar="DIR", help="directory with the server's layout")
    options.add_argument(
        "--at", type=moment, metavar="TIME", help="judge as of this time, such as 2026-06-01T12:00Z"
    )
    options.add_argument("--ocsp", choices=[mode.value for mode in OcspMode], default="off")
    options.add_argument("--ocsp-responder-url", metavar="URL")
    options.add_argument(
        "--algorithm",
        action="append",
        choices=sorted(ALGORITHM_CURVES),
        help="allowed signature algorithm; may be repeated (default: BP256R1)",
    )
    options.add_argument("--ca-certificates", type=Path, metavar="FILE", help="to verify a URL's server")
    options.add_argument("--client-certificate", type=Path, metavar="FILE", help="mutual TLS to a URL")
    options.add_argument("--allow-test-certificates", action="store_true")
    options.add_argument("--json", action="store_true", help="print JSON")
    return options


def _guarded(command: Any) -> Any:
    """Turn refusals and wrong usage into exit codes."""

    def run(options: argparse.Namespace) -> int:
        try:
            code: int = command(options)
        except ReasonError as error:
            if options.json:
                print_json({"verified": False, "reason": error.reason.value, "detail": error.detail})
            else:
                print(f"refused: {error}", file=sys.stderr)
            return 1
        except (OSError, ValueError) as error:
            print(f"synapse-tim: {error}", file=sys.stderr)
            return 2
        return code

    return run


class _Bench:
    """Everything needed to verify lists, from the options."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._at: dt.datetime | None = options.at
        mode = OcspMode(options.ocsp)
        if mode is not OcspMode.OFF and not options.ocsp_responder_url:
            raise ValueError(f"--ocsp {mode.value} needs --ocsp-responder-url")
        self._fetcher = Fetcher(client_context(options.ca_certificates, options.client_certificate))
        public = Fetcher()
        source: CertificateSource = DownloadServer(public, options.ca_base_url or _PRODUCTION)
        if options.ca_dir is not None:
            source = DownloadDirectory(options.ca_dir)
        self._algorithms = frozenset(options.algorithm or ["BP256R1"])
        pins, roots = set(), []
        for pin in options.pinned_root:
            digest = pin.replace(":", "").lower()
            if len(digest) == 64 and all(c in "0123456789abcdef" for c in digest):
                pins.add(digest)
            else:
                roots.append(read_root(Path(pin)))
        trust = TrustStore(source, pins, roots, allow_test=options.allow_test_certificates)
        ocsp = OcspClient(mode, public, options.ocsp_responder_url)
        self._verifier = ListVerifier(trust, ocsp, self._algorithms)

    def verify(self, where: str) -> VerifiedList:
        """Read and verify one list."""
        with progress(f"Verifying {where}"):
            at = self._at or dt.datetime.now(dt.UTC)
            verified = self._verifier.verify(self._read(where), at)
            check_times(verified.content, at)
            return verified

    def _read(self, where: str) -> bytes | bytearray:
        if where.lower().startswith(("http://", "https://")):
            algorithm = sorted(self._algorithms)[0]
            data = ListSource(self._fetcher, where, algorithm).fetch(None).data
            if data is None:
                raise ListRefusedError(Refusal.HTTP_STATUS, "no list")
            return data
        limit = JwsLimits().total
        with Path(where).open("rb") as file:
            return file.read(limit + 1)


def _verify(options: argparse.Namespace) -> int:
    verified = _Bench(options).verify(options.list)
    content, path = verified.content, verified.path
    facts = {
        "version": content.version,
        "domains": len(content.domains),
        "insurance_domains": len(content.insurance_domains),
        "signer": describe(path.signer),
        "signer_not_after": path.signer.not_valid_after_utc.isoformat().replace("+00:00", "Z"),
        "issuer": describe(path.sub_ca),
        "root": describe(path.root),
        "skipped_entries": content.skipped,
        "ocsp": options.ocsp,
    }
    if options.json:
        print_json({"verified": True, **facts})
    else:
        print_facts(
            [("verified", "yes"), *((name.replace("_", " "), value) for name, value in facts.items())]
        )
        if options.ocsp == "off":
            print("Revocation was not looked up; use --ocsp soft or hard for that.", file=sys.stderr)
    return 0


def _show(options: argparse.Namespace) -> int:
    content = _Bench(options).verify(options.list).content
    domains = sorted(content.domains)
    if options.domain is not None:
        name = normalise(options.domain)
        domains = [name] if name is not None and name in content else []
    insurers, iks = content.insurance_domains, dict[str, list[str]]()
    for ik, name in content.ik_to_domain.items():
        iks.setdefault(name, []).append(ik)
    if options.json:
        rows = [
            {"domain": name, "insurance": name in insurers, "ik": sorted(iks.get(name, []))}
            for name in domains
        ]
        print_json({"version": content.version, "domains": rows})
    elif domains:
        print_table(
            ("domain", "insurer", "institution codes"),
            (
                (
                    name,
                    "yes" if name in insurers else "",
                    " ".join(sorted(iks.get(name, []))),
                )
                for name in domains
            ),
            title=f"Federation list, version {content.version}",
        )
    else:
        print(f"{options.domain} is not in version {content.version}", file=sys.stderr)
    return 0 if domains or options.domain is None else 1


def _diff(options: argparse.Namespace) -> int:
    bench = _Bench(options)
    old, new = (bench.verify(where).content for where in (options.old, options.new))
    before, after = set(old.domains), set(new.domains)
    added, removed = sorted(after - before), sorted(before - after)
    changed = sorted((old.insurance_domains ^ new.insurance_domains) & before & after)
    if options.json:
        print_json(
            {
                "old_version": old.version,
                "new_version": new.version,
                "added": added,
                "removed": removed,
                "insurance_changed": changed,
            }
        )
        return 0
    rows = [("added", name) for name in added]
    insurers = new.insurance_domains
    rows += [("now an insurer" if name in insurers else "no longer an insurer", name) for name in changed]
    print(f"version {old.version} to {new.version}: {len(added)} added, {len(removed)} removed")
    if rows:
        print_table(("change", "domain"), rows)
    return 0
