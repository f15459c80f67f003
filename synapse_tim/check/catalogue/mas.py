"""Checks of Matrix Authentication Service's configuration, which is read with ``--mas`` only."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final
from urllib.parse import urlsplit

from synapse_tim.check.facts import Process, is_this_machine
from synapse_tim.check.mas_files import MasFiles
from synapse_tim.core.checks import (
    DRAFT,
    EPA,
    GOOD_PRACTICE,
    PRO,
    START_UP,
    VIOLATION,
    WARNING,
    Check,
    Found,
    NotRead,
    Verdict,
    show_value,
)
from synapse_tim.login.gateway_issuer import gateway_issuer

_HALF_A_YEAR_S: Final = 26 * 7 * 24 * 60 * 60
_HOUR_S: Final = 60 * 60
_PROVIDERS: Final = "upstream_oauth2.providers"
#: What of MAS gives power over accounts, and is for operators only.
_FOR_OPERATORS: Final = frozenset({"adminapi", "prometheus", "health"})
_IMPORTED: Final = frozenset({"force", "require"})


def _mas(process: Process) -> MasFiles:
    mas = process.homeserver.mas
    if mas is None:
        raise NotRead("mas")
    return mas


def _setting(
    key: str,
    default: object,
    right: Callable[[Any], bool],
    requirement: str,
    severity: Verdict,
    wanted: str,
    reason: str,
    **more: Any,
) -> Check:
    """A check of one setting, with MAS's default."""

    def judge(process: Process) -> Iterable[Found]:
        value = _mas(process).at(key, default)
        yield Found(show_value(value), right(value))

    return Check(
        f"mas.{more.pop('name', key)}", key, requirement, severity, judge, wanted, reason, of_deployment=True,
        **more,
    )  # fmt: skip


def _off(value: object) -> bool:
    return value is False


def _seconds(limit: int) -> Callable[[object], bool]:
    return lambda value: isinstance(value, int) and not isinstance(value, bool) and 0 < value <= limit


def _providers(process: Process) -> list[tuple[str, Any]]:
    return [
        (key, block) for key, block in _mas(process).entries(_PROVIDERS) if block.get("enabled", True) is True
    ]


def _one_provider(process: Process) -> Iterable[Found]:
    count = len(_providers(process))
    verdict = WARNING if count or _mas(process).at("passwords.enabled", True) is True else VIOLATION
    yield Found(f"{count} that are enabled", count == 1, verdict=verdict)


def _of_providers(
    key: str, default: object, right: Callable[[object], bool]
) -> Callable[[Process], Iterable[Found]]:
    """Judges one setting of each provider."""

    def judge(process: Process) -> Iterable[Found]:
        for place, block in _providers(process):
            value = MasFiles(block).at(key, default)
            yield Found(show_value(value), right(value), f"{place}.{key}")

    return judge


def _issuers(process: Process) -> Iterable[Found]:
    for place, block in _providers(process):
        issuer = block.get("issuer")
        mode = block.get("discovery_mode", "oidc")
        right = isinstance(issuer, str) and issuer.startswith("https://") and mode == "oidc"
        yield Found(f"{show_value(issuer)}, discovery_mode {show_value(mode)}", right, f"{place}.issuer")


def _gateway(process: Process) -> Iterable[Found]:
    _, block = process.setting("identity_gateway")
    if block is None:
        return
    expected = gateway_issuer(str(process.option("server", "public_baseurl")))
    for place, provider in _providers(process):
        issuer = provider.get("issuer")
        yield Found(show_value(issuer), issuer == expected, f"{place}.issuer")


def _admins(process: Process) -> Iterable[Found]:
    for name in ("admin_users", "admin_clients"):
        value = _mas(process).at(f"policy.data.{name}", [])
        count = len(value) if isinstance(value, list) else 1
        yield Found(str(count), not count, f"policy.data.{name}")


def _client_registration(process: Process) -> Iterable[Found]:
    for name in ("allow_host_mismatch", "allow_insecure_uris", "allow_missing_client_uri"):
        key = f"policy.data.client_registration.{name}"
        value = _mas(process).at(key, False)
        yield Found(show_value(value), _off(value), key)


def _inactivity(process: Process) -> Iterable[Found]:
    key = "experimental.inactive_session_expiration"
    block = MasFiles({"block": _mas(process).at(key, {})})
    ttl = block.at("block.ttl")
    yield Found(show_value(ttl), _seconds(_HALF_A_YEAR_S)(ttl), f"{key}.ttl")
    for name in ("expire_compat_sessions", "expire_oauth_sessions", "expire_user_sessions"):
        value = block.at(f"block.{name}", True)
        yield Found(show_value(value), value is True, f"{key}.{name}")


def _lifetimes(process: Process) -> Iterable[Found]:
    for name in ("access_token_ttl", "compat_token_ttl"):
        value = _mas(process).at(f"experimental.{name}", 300)
        verdict = WARNING if _seconds(_HALF_A_YEAR_S)(value) else VIOLATION
        yield Found(show_value(value), _seconds(_HOUR_S)(value), f"experimental.{name}", verdict=verdict)


def _email(process: Process) -> Iterable[Found]:
    mas = _mas(process)
    transport = mas.at("email.transport", "blackhole")
    yield Found(show_value(transport), transport == "blackhole", "email.transport", verdict=WARNING)
    for name, default in (
        ("email_change_allowed", True),
        ("password_recovery_enabled", False),
        ("login_with_email_allowed", False),
    ):
        value = mas.at(f"account.{name}", default)
        yield Found(show_value(value), _off(value), f"account.{name}")
    for place, block in _providers(process):
        action = MasFiles(block).at("claims_imports.email.action", "ignore")
        yield Found(show_value(action), action == "ignore", f"{place}.claims_imports.email.action")


def _registration(process: Process) -> Iterable[Found]:
    for key in ("account.password_registration_enabled", "guest_invites.enabled"):
        value = _mas(process).at(key, False)
        yield Found(show_value(value), _off(value), key)


def _host(address: str) -> str:
    return urlsplit(f"//{address}").hostname or ""


def _is_local(bind: object) -> bool:
    if not isinstance(bind, dict):
        return False
    if "socket" in bind or "fd" in bind:
        return True
    host = bind.get("host") or _host(str(bind.get("address", "")))
    return is_this_machine(str(host))


def _listeners(process: Process) -> Iterable[Found]:
    for place, block in _mas(process).entries("http.listeners"):
        binds = block.get("binds")
        local = isinstance(binds, list) and all(map(_is_local, binds))
        tls = bool(block.get("tls"))
        yield Found("TLS" if tls else "this machine only" if local else "unencrypted", tls or local, place)


def _operators_listeners(process: Process) -> Iterable[Found]:
    for place, block in _mas(process).entries("http.listeners"):
        resources = block.get("resources")
        names = {str(each.get("name")) for each in resources or () if isinstance(each, dict)}
        found = sorted(names & _FOR_OPERATORS)
        yield Found(", ".join(found) or "none", not found or names <= _FOR_OPERATORS, place)


def _login_apis(process: Process) -> Iterable[Found]:
    served = {
        str(each.get("name"))
        for _, block in _mas(process).entries("http.listeners")
        for each in block.get("resources") or ()
        if isinstance(each, dict)
    }
    missing = [name for name in ("oauth", "compat", "discovery", "human") if name not in served]
    yield Found(f"without {', '.join(missing)}" if missing else "all", not missing)


def _public_base(process: Process) -> Iterable[Found]:
    mas = _mas(process)
    for key in ("http.public_base", "http.issuer"):
        value = mas.at(key)
        if key == "http.public_base" or value is not None:  # an issuer of its own is rare
            yield Found(show_value(value), str(value).startswith("https://"), key)


def _between(process: Process) -> Iterable[Found]:
    """The two directions between MAS and the homeserver."""
    for key, value in (
        ("matrix.endpoint", _mas(process).at("matrix.endpoint", "http://localhost:8008/")),
        ("matrix_authentication_service.endpoint", str(process.option("mas", "endpoint"))),
    ):
        parts = urlsplit(str(value))
        right = parts.scheme == "https" or is_this_machine(parts.hostname or "")
        yield Found(show_value(value), right, key)


def _belong_together(process: Process) -> Iterable[Found]:
    mas = _mas(process)
    name = mas.at("matrix.homeserver")
    yield Found(show_value(name), name == process.homeserver.server_name, "matrix.homeserver")
    kind = mas.at("matrix.kind", "synapse")
    yield Found(show_value(kind), kind in ("synapse", "synapse_modern"), "matrix.kind")
    enabled = bool(process.option("mas", "enabled"))
    yield Found(show_value(enabled), enabled, "matrix_authentication_service.enabled")


def _secrets(process: Process) -> Iterable[Found]:
    mas = _mas(process)
    for key in mas.inline:
        yield Found("in the file itself", False, key)
    for file in mas.files:
        yield Found("readable" if file.problem is None else file.problem, file.problem is None, file.key)
        if file.secret and file.mode is not None:
            yield Found(f"mode {file.mode:03o}", not file.mode & 0o077, file.key)


def _qr(process: Process) -> Iterable[Found]:
    _mas(process)
    value = process.option("experimental", "msc4108_enabled")
    yield Found(show_value(value), not value)


# fmt: off
CHECKS: Final = (
    Check("mas.matrix", "matrix", START_UP, VIOLATION, _belong_together,
          "this homeserver's name, and its matrix_authentication_service.enabled: true",
          "otherwise the two are not configured for each other", of_deployment=True),
    Check("mas.endpoints", "matrix.endpoint", "A_22929", VIOLATION, _between,
          "https, or this machine", "tokens and the shared secret go over it", of_deployment=True),
    Check("mas.http.public_base", "http.public_base", "A_22929", VIOLATION, _public_base, "https",
          "people log in there", of_deployment=True),
    Check("mas.http.listeners.tls", "http.listeners", "A_22929", VIOLATION, _listeners,
          "tls, or bound to this machine only, behind a reverse proxy",
          "every connection between machines has to be encrypted", of_deployment=True),
    Check("mas.http.listeners.resources", "http.listeners", "R4.24", VIOLATION, _operators_listeners,
          "adminapi, prometheus and health on a listener of their own",
          "the admin API makes accounts and sessions, and is for operators only", of_deployment=True),
    Check("mas.login_apis", "http.listeners", "GSC327-A_3", VIOLATION, _login_apis,
          "the resources discovery, human, oauth and compat",
          "users have to be able to log in with the OAuth 2.0 APIs and with the former ones",
          spec_versions=DRAFT, of_deployment=True),
    _setting("passwords.enabled", True, _off, "AF_10234", VIOLATION, "false",
             "insured persons must log in with their identity provider only", products=EPA,
             name="passwords.enabled.epa"),
    _setting("passwords.enabled", True, _off, "AF_10057", WARNING, "false",
             "a password alone is no login with two factors", products=PRO, name="passwords.enabled.pro"),
    Check("mas.registration", "account", "R4.3", VIOLATION, _registration, "false",
          "accounts follow from a login at the identity provider, never from registration",
          of_deployment=True),
    Check("mas.email", "email", "R4.10", VIOLATION, _email,
          "no transport, no change and no import of addresses",
          "e-mail addresses are not used in TI-M", of_deployment=True),
    _setting("account.displayname_change_allowed", True, _off, "R4.15", VIOLATION, "false",
             "users must not change their display names, which the organisation sets"),
    Check("mas.upstream_oauth2.providers", _PROVIDERS, "AF_10057, AF_10234", VIOLATION, _one_provider,
          "exactly one that is enabled",
          "claims are checked by the provider in front of it only, at every login", of_deployment=True),
    Check("mas.gateway", _PROVIDERS, "AF_10057, AF_10234", VIOLATION, _gateway,
          "the issuer of the identity gateway, if there is one",
          "claims are looked at by the service at the first login only", of_deployment=True),
    Check("mas.issuer", _PROVIDERS, "A_22929", VIOLATION, _issuers,
          "https, discovery_mode: oidc", "what the provider says has to be verified", of_deployment=True),
    Check("mas.pkce_method", _PROVIDERS, "AF_10057", WARNING,
          _of_providers("pkce_method", "auto", lambda value: value in ("auto", "always")), "always",
          "otherwise a stolen code is worth a login", of_deployment=True),
    Check("mas.on_backchannel_logout", _PROVIDERS, "R4.12", VIOLATION,
          _of_providers("on_backchannel_logout", "do_nothing", lambda value: value == "logout_all"),
          "logout_all", "sessions have to end when the identity provider ends them", of_deployment=True),
    Check("mas.localpart.action", _PROVIDERS, "R4.5", VIOLATION,
          _of_providers("claims_imports.localpart.action", "ignore", lambda value: value == "require"),
          "require", "otherwise people choose their names themselves", of_deployment=True),
    Check("mas.localpart.on_conflict", _PROVIDERS, "R4.5", VIOLATION,
          _of_providers("claims_imports.localpart.on_conflict", "fail", lambda value: value == "fail"),
          "fail", "otherwise the provider gives existing accounts to other persons by their names",
          of_deployment=True),
    Check("mas.displayname.action", _PROVIDERS, "R4.15", VIOLATION,
          _of_providers("claims_imports.displayname.action", "ignore", lambda value: value in _IMPORTED),
          "force or require", "the display name is the organisation's", of_deployment=True),
    Check("mas.skip_confirmation", _PROVIDERS, "R4.5", WARNING,
          _of_providers("claims_imports.skip_confirmation", False, lambda value: value is True), "true",
          "there is nothing for people to choose", of_deployment=True),
    _setting("oauth.device_code_grant_enabled", True, _off, "R4.11", WARNING, "false, unless it is wanted",
             "a device that somebody else has begun to log in with is linked by a code"),
    Check("mas.qr", "experimental_features.msc4108_enabled", "R4.11", WARNING, _qr,
          "false, unless it is wanted", "a session is used to log in a further device", of_deployment=True),
    Check("mas.lifetimes", "experimental", "A_22955, R4.12", VIOLATION, _lifetimes, "3600 at most",
          "access tokens have to be short-lived, so that clients refresh them", of_deployment=True),
    Check("mas.inactivity", "experimental.inactive_session_expiration", "A_22955, R4.12", VIOLATION,
          _inactivity, f"{_HALF_A_YEAR_S} at most, for all kinds of sessions",
          "users whose clients were inactive for six months have to be logged out", of_deployment=True),
    Check("mas.client_registration", "policy.data.client_registration", "AF_10057", VIOLATION,
          _client_registration, "false", "otherwise codes go to clients that nobody can tell apart",
          of_deployment=True),
    Check("mas.admins", "policy.data.admin_users", "R4.24", WARNING, _admins,
          "none: give `can_request_admin` to single users instead",
          "they ask for the admin APIs of Synapse and of the service with any client", of_deployment=True),
    Check("mas.secrets", "secrets", GOOD_PRACTICE, WARNING, _secrets,
          "in files of their own, which only the service reads",
          "whoever reads one acts as the service, or for it", of_deployment=True),
)
