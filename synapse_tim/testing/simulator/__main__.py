"""The simulator in the foreground, driven by lines on standard input."""

import argparse
import contextlib
import errno
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TextIO

import yaml

from synapse_tim.testing.simulator import kept
from synapse_tim.testing.simulator.simulator import TiSimulator

_HELP = """\
commands, one per line on standard input:
  add NAME           put a domain on the list
  insurance NAME     put an insurer's domain on the list
  remove NAME        take a domain off the list
  version N          give the list another version
  fault NAME [VALUE] turn a fault on, or set it; see synapse_tim.testing.simulator.faults
  reset              turn all faults off
  status             print version, domains, faults and the number of requests
  quit               end (so does the end of the input)
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command ``python -m synapse_tim.testing.simulator``; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m synapse_tim.testing.simulator",
        description="A TI on loopback: download server, OCSP responder, directory, list, identity providers.",
        epilog=_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--domain", action="append", default=[], metavar="NAME", help="a domain of the list")
    parser.add_argument(
        "--insurance", action="append", default=[], metavar="NAME", help="an insurer's domain of the list"
    )
    parser.add_argument("--mutual-tls", action="store_true", help="demand a client certificate over TLS")
    parser.add_argument(
        "--directory",
        type=Path,
        metavar="DIR",
        help="keep certificates, ports and the list there, and go on with them at the next start",
    )
    options = parser.parse_args(arguments)
    save: Callable[[TiSimulator], None] = kept.save if options.directory else lambda ti: None
    with contextlib.ExitStack() as stack:
        try:
            ti = stack.enter_context(_simulator(options.directory, options.mutual_tls))
            known = ti.directory.domains
            for domains, insurance in ((options.domain, False), (options.insurance, True)):
                for domain in domains:
                    if domain not in known:
                        ti.add(domain, insurance=insurance)
            save(ti)
        except kept.KeptStateError as error:
            print(f"error: {error}", file=sys.stderr)
            return 1
        except OSError as error:
            taken = error.errno == errno.EADDRINUSE and options.directory
            hint = f"; does another simulator use {options.directory}?" if taken else ""
            print(f"error: {error}{hint}", file=sys.stderr)
            return 1
        _print_addresses(ti, sys.stdout)
        try:
            run_commands(ti, sys.stdin, sys.stdout, save)
        except KeyboardInterrupt:
            print(file=sys.stdout)
    return 0


def _simulator(directory: Path | None, mutual_tls: bool) -> TiSimulator:
    if directory is None:
        return TiSimulator(require_client_certificate=mutual_tls)
    return kept.open_simulator(directory.resolve(), require_client_certificate=mutual_tls)


def run_commands(
    ti: TiSimulator, lines: Iterable[str], out: TextIO, done: Callable[[TiSimulator], None] = lambda ti: None
) -> None:
    """Obey commands until ``quit`` or the end of the lines; a wrong one is answered with an error."""
    for line in lines:
        words = line.split()
        if words == ["quit"]:
            return
        if words:
            try:
                answer = _obey(ti, words)
                done(ti)
                print(answer, file=out, flush=True)
            except (ValueError, KeyError) as error:
                print(f"error: {error}", file=out, flush=True)


def _obey(ti: TiSimulator, words: list[str]) -> str:
    match words:
        case ["add", name]:
            ti.add(name)
        case ["insurance", name]:
            ti.add(name, insurance=True)
        case ["remove", name]:
            ti.remove(name)
        case ["version", number]:
            ti.version = int(number)
        case ["fault", name]:
            ti.faults.set_from_text(name)
        case ["fault", name, value]:
            ti.faults.set_from_text(name, value)
        case ["reset"]:
            ti.faults.reset()
        case ["status"]:
            domains = " ".join(ti.directory.domains)
            return (
                f"version {ti.version}; domains: {domains}; faults: {dict(ti.faults.active())}; "
                f"requests: {len(ti.requests)}"
            )
        case _:
            raise ValueError(f"unknown command; there are:\n{_HELP}")
    return f"ok, version {ti.version}"


def _print_addresses(ti: TiSimulator, out: TextIO) -> None:
    addresses = {
        "list": ti.list_url,
        "list without TLS": ti.plain_list_url,
        "list of the directory": ti.directory_list_url,
        "authorisation server": ti.token_url,
        "exchange of tokens": ti.authenticate_url,
        "download server": ti.ca_base_url,
        "OCSP responder": ti.ocsp_url,
        "central IDP": ti.idp.issuer,
        "sectoral IDP": ti.sectoral.issuer,
        "broker": ti.broker.issuer,
        "CA of the TLS listener": ti.ca_file,
        "client certificate": ti.client_pem,
        "client secret": ti.secret_path,
        "root to pin": ti.pins[0],
    }
    for what, where in addresses.items():
        print(f"{what + ':':24}{where}", file=out)
    block = {"federation_list": ti.federation_list_config()}
    print(f"\n# for homeserver.yaml\n{yaml.safe_dump(block, sort_keys=False)}", file=out, flush=True)


if __name__ == "__main__":
    sys.exit(main())
