"""``synapse-tim accounts link``: links accounts that exist to persons at an identity provider."""

import argparse
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from synapse_tim.admin.api import HomeserverAdmin, StoringError
from synapse_tim.admin.output import print_facts, print_json, print_table, progress
from synapse_tim.cli.settings import CommandError, Settings, add_access, add_config, read_settings, read_token
from synapse_tim.login.account_links import (
    MEANING,
    SETTLED,
    Link,
    Linked,
    LinkListError,
    check_unique,
    link_all,
    read_csv,
)

_EXAMPLE: Final = (
    "Example: synapse-tim accounts link homeserver.yaml --from-csv links.csv --provider idp-dienst "
    "--homeserver-url http://127.0.0.1:8008 --access-token-file token --dry-run. "
    "Exit codes: 0 all are linked; 1 some are not; 2 nothing was done."
)

#: Names of accounts unless ``localpart`` says otherwise, by the provider's profile.
_TEMPLATES: Final = {"gematik_idp": "{idNummer}", "gesundheitsid": "{urn:telematik:claims:id}"}


def add_command(commands: Any) -> None:
    """Add ``accounts`` to the commands."""
    parser = commands.add_parser("accounts", help="link accounts to persons at an identity provider")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    link = commands.add_parser(
        "link",
        help="link accounts without links, such as those of another product",
        description="Links accounts to persons; whoever is linked already stays as they are. "
        "With --from-csv as the file says (columns user_id, external_id, and provider unless --provider is "
        "given); with --provider alone, all accounts whose name is the subject at that provider.",
        epilog=_EXAMPLE,
    )
    add_config(link)
    link.add_argument("--from-csv", type=Path, metavar="FILE", help="whom to link to what")
    link.add_argument(
        "--provider", metavar="ID", help="the id of a provider of login.providers, or oidc-IDP_ID"
    )
    link.add_argument(
        "--upper-case",
        action="store_true",
        help="with --provider alone: subjects are in upper case, as KVNR and telematik ids are",
    )
    link.add_argument("--dry-run", action="store_true", help="show what would be done; nothing is changed")
    add_access(link)
    link.add_argument("--json", action="store_true", help="print JSON")
    link.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    settings = read_settings(options.config, "TiMessenger", "LoginPolicy")
    providers = _providers(settings)
    if options.from_csv is None and options.provider is None:
        raise CommandError("--from-csv or --provider is required")
    if options.provider is not None and options.provider not in providers:
        raise CommandError(f"--provider: no provider is configured with the id {options.provider}")
    links = None if options.from_csv is None else _read(options.from_csv, options.provider, settings)
    for name in sorted({link.provider for link in links or ()} - set(providers)):
        raise CommandError(f"{options.from_csv}: no provider is configured with the id {name}")
    if options.homeserver_url is None or options.access_token_file is None:
        raise CommandError("--homeserver-url and --access-token-file are required")
    token = read_token(options.access_token_file)
    with HomeserverAdmin.open(options.homeserver_url, token, settings.server_name) as admin:
        try:
            if links is None:
                names = _subjects(providers[options.provider], admin, upper_case=options.upper_case)
                links = [Link(user_id, options.provider, subject) for user_id, subject in names]
                check_unique(links)
        except StoringError as error:
            raise CommandError(f"the accounts could not be listed: {error}") from None
        except LinkListError as error:
            raise CommandError(str(error)) from None
        with progress(f"Linking {len(links)} accounts"):
            done = list(link_all(admin, links, dry_run=options.dry_run))
    _show(done, options)
    return int(any(outcome not in SETTLED for _, outcome in done))


def _providers(settings: Settings) -> dict[str, Mapping[str, Any]]:
    """The blocks of the providers, by id; those of Synapse's single sign-on by Synapse's name for them."""
    found: dict[str, Mapping[str, Any]] = {}
    for each in settings.document.get("oidc_providers") or ():
        mapping = each.get("user_mapping_provider") if isinstance(each, dict) else None
        if isinstance(mapping, dict) and mapping.get("module") == "synapse_tim.OidcMapping":
            name = each.get("idp_id", "oidc")
            found["oidc" if name == "oidc" else f"oidc-{name}"] = mapping.get("config") or {}
    for block in settings.blocks:
        login = block.get("login")
        for each in (login.get("providers") if isinstance(login, dict) else None) or ():
            if isinstance(each, dict) and isinstance(each.get("id"), str):
                found[each["id"]] = each
    return found


def _read(path: Path, provider: str | None, settings: Settings) -> list[Link]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            return read_csv(file, provider, settings.server_name)
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"{path}: {type(error).__name__}") from None
    except LinkListError as error:
        raise CommandError(f"{path}: {error}") from None


def _subjects(
    provider: Mapping[str, Any], admin: HomeserverAdmin, *, upper_case: bool
) -> Iterator[tuple[str, str]]:
    """User ids with the subjects that their names are, of accounts without any link."""
    localpart = provider.get("localpart")
    by_default = _TEMPLATES.get(str(provider.get("profile")))
    template = localpart.get("template") if isinstance(localpart, dict) else by_default
    if not isinstance(template, str) or template != f"{{{provider.get('subject_claim', 'sub')}}}":
        raise CommandError(
            "names of accounts say who the person is only if localpart.template is the subject_claim alone, "
            "in braces; use --from-csv"
        )
    for user_id in admin.users():
        if user_id != admin.user_id and admin.links(user_id) == []:
            name = user_id[1:].partition(":")[0]
            yield user_id, name.upper() if upper_case else name


def _show(done: list[tuple[Link, Linked]], options: argparse.Namespace) -> None:
    counted = Counter(outcome for _, outcome in done)
    if options.json:
        rows = [
            {"user_id": link.user_id, "provider": link.provider, "outcome": outcome.value}
            for link, outcome in done
        ]
        found = {outcome.value: counted[outcome] for outcome in Linked if counted[outcome]}
        print_json({"dry_run": options.dry_run, "accounts": found, "rows": rows})
        return
    left = [(link.user_id, link.provider, outcome) for link, outcome in done if outcome not in SETTLED]
    if left:
        print_table(("user", "provider", "outcome"), left)
    facts = [(f"{each}: {MEANING[each]}", counted[each]) for each in Linked if counted[each]]
    print_facts([("accounts that would be linked" if options.dry_run else "accounts", len(done)), *facts])
