"""The files that Synapse's own part of ``homeserver.yaml`` names, and the secrets that stand in it.

A file that cannot be read here need not be missing where the homeserver runs. So that everything else can be
judged, a placeholder takes the place of what would be in it.
"""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import attrs

from synapse_tim.check.facts import File

_PLACEHOLDER: Final = "not-read"
_SIGNING_KEY: Final = "ed25519 a_check " + "A" * 43

#: Keys of files; whether they hold a secret. ``[]`` stands for every entry of a list.
_FILES: Final = {
    "signing_key_path": True,
    "registration_shared_secret_path": True,
    "macaroon_secret_key_path": True,
    "form_secret_path": True,
    "worker_replication_secret_path": True,
    "turn_shared_secret_path": True,
    "recaptcha_private_key_path": True,
    "recaptcha_public_key_path": False,
    "redis.password_path": True,
    "redis.private_key_file": True,
    "redis.certificate_file": False,
    "redis.ca_file": False,
    "matrix_authentication_service.secret_path": True,
    "oidc_providers[].client_secret_path": True,
    "oidc_providers[].client_secret_jwt_key.key_file": True,
    "oidc_config.client_secret_path": True,
    "oidc_config.client_secret_jwt_key.key_file": True,
    "manhole_settings.ssh_priv_key_path": True,
    "manhole_settings.ssh_pub_key_path": False,
    "tls_private_key_path": True,
    "tls_certificate_path": False,
    "federation_custom_ca_list[]": False,
    "app_service_config_files[]": True,
    "templates.custom_template_directory": False,
    "email.template_dir": False,
    "sso.template_dir": False,
}
#: Keys of secrets that could stand in a file of their own.
_INLINE: Final = (
    "signing_key",
    "registration_shared_secret",
    "macaroon_secret_key",
    "form_secret",
    "worker_replication_secret",
    "turn_shared_secret",
    "recaptcha_private_key",
    "redis.password",
    "matrix_authentication_service.secret",
    "oidc_providers[].client_secret",
    "oidc_providers[].client_secret_jwt_key.key",
    "oidc_config.client_secret",
    "oidc_config.client_secret_jwt_key.key",
)
#: Files that Synapse reads together with the configuration, and what can stand in their place.
_SUBSTITUTES: Final = {
    "signing_key_path": ("signing_key", _SIGNING_KEY),
    "key_file": ("key", _PLACEHOLDER),
    **{
        f"{name}_path": (name, _PLACEHOLDER)
        for name in (
            "registration_shared_secret",
            "macaroon_secret_key",
            "form_secret",
            "worker_replication_secret",
            "turn_shared_secret",
            "recaptcha_private_key",
            "recaptcha_public_key",
            "password",
            "secret",
            "client_secret",
        )
    },
}
_LEFT_OUT: Final = (
    "ssh_priv_key_path",
    "ssh_pub_key_path",
    "custom_template_directory",
    "template_dir",
)


@attrs.frozen(eq=False)
class Place:
    """Something in a document.

    Attributes:
        key: where it is.
        holder: the mapping or the list that it is in.
        name: its key or position there.
    """

    key: str
    holder: Any
    name: Any

    @property
    def value(self) -> Any:
        """What is there."""
        return self.holder[self.name]


def places(document: Any, pattern: str) -> Iterator[Place]:
    """Every place that a pattern leads to, such as ``oidc_providers[].client_secret``."""
    first, _, rest = pattern.partition(".")
    name, brackets = first.removesuffix("[]"), first.endswith("[]")
    if not isinstance(document, dict) or document.get(name) is None:
        return
    found = [Place(name, document, name)]
    if brackets:
        entries = document[name]
        found = (
            [Place(f"{name}[{n}]", entries, n) for n in range(len(entries))]
            if isinstance(entries, list)
            else []
        )
    for each in found:
        if not rest:
            yield each
            continue
        for below in places(each.value, rest):
            yield Place(f"{each.key}.{below.key}", below.holder, below.name)


def look_at(key: str, path: str, *, secret: bool) -> File:
    """What the file system says of a file; it is opened and not read."""
    try:
        place = Path(path)
        status = place.stat().st_mode
        mode = stat.S_IMODE(status) & 0o777
        if stat.S_ISDIR(status):
            mode &= 0o755  # only what is in it counts
        elif stat.S_ISREG(status):
            with place.open("rb"):
                pass
        else:
            return File(key, path, secret, "no regular file")  # reading it might never end
    except (OSError, ValueError) as error:
        return File(key, path, secret, str(getattr(error, "strerror", None) or error))
    return File(key, path, secret, mode=mode)


def named_files(document: dict[str, Any], directory: Path, server_name: str) -> list[File]:
    """All files that are named.

    Args:
        document: the merged configuration.
        directory: where Synapse keeps the signing key if nobody says so.
        server_name: of the server.
    """
    files = []
    if "signing_key" not in document and document.get("signing_key_path") is None:
        default = directory / f"{server_name}.signing.key"
        files.append(look_at("signing_key_path", str(default), secret=True))
    for pattern, secret in _FILES.items():
        files.extend(
            look_at(place.key, place.value, secret=secret)
            for place in places(document, pattern)
            if isinstance(place.value, str)
        )
    return files


def inline_secrets(document: dict[str, Any]) -> tuple[str, ...]:
    """The keys of secrets in the document that could stand in a file of their own."""
    return tuple(place.key for pattern in _INLINE for place in places(document, pattern) if place.value)


def substitute(document: dict[str, Any], files: list[File]) -> None:
    """Put placeholders where Synapse would read files that cannot be read.

    Args:
        document: to change.
        files: as ``named_files`` found them.
    """
    missing = {file.key for file in files if file.problem is not None}
    if "signing_key_path" in missing and "signing_key_path" not in document:
        document["signing_key"] = _SIGNING_KEY
    for pattern in _FILES:
        for place in list(places(document, pattern)):
            if place.key not in missing:
                continue
            if pattern == "federation_custom_ca_list[]":
                document.pop("federation_custom_ca_list", None)
                break
            if place.name in _LEFT_OUT:
                del place.holder[place.name]
            elif place.name in _SUBSTITUTES:
                del place.holder[place.name]
                name, value = _SUBSTITUTES[place.name]
                place.holder.setdefault(name, value)
