"""Files that Synapse's own part of ``homeserver.yaml`` names, and secrets that stand in it.

A file that cannot be read here need not be missing where the homeserver runs. So that everything else can be
judged, a placeholder takes the place of what would be in it.
"""

import enum
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import attrs

_SIGNING_KEY: Final = "ed25519 a_check " + "A" * 43


class _Absent(enum.Enum):
    """What to do, before Synapse reads the configuration, with the name of a file that cannot be read."""

    #: Synapse reads the file later, if at all.
    KEEP = enum.auto()
    #: Nothing here depends on it.
    DROP = enum.auto()
    #: Put a placeholder where the same could stand in the configuration itself.
    INLINE = enum.auto()


#: Keys of files, and whether they hold a secret. ``[]`` stands for every entry of a list.
_FILES: Final = {
    "signing_key_path": (True, _Absent.INLINE),
    "registration_shared_secret_path": (True, _Absent.INLINE),
    "macaroon_secret_key_path": (True, _Absent.INLINE),
    "form_secret_path": (True, _Absent.INLINE),
    "worker_replication_secret_path": (True, _Absent.INLINE),
    "turn_shared_secret_path": (True, _Absent.INLINE),
    "recaptcha_private_key_path": (True, _Absent.INLINE),
    "recaptcha_public_key_path": (False, _Absent.INLINE),
    "redis.password_path": (True, _Absent.INLINE),
    "redis.private_key_file": (True, _Absent.KEEP),
    "redis.certificate_file": (False, _Absent.KEEP),
    "redis.ca_file": (False, _Absent.KEEP),
    "matrix_authentication_service.secret_path": (True, _Absent.INLINE),
    "oidc_providers[].client_secret_path": (True, _Absent.INLINE),
    "oidc_providers[].client_secret_jwt_key.key_file": (True, _Absent.INLINE),
    "oidc_config.client_secret_path": (True, _Absent.INLINE),
    "oidc_config.client_secret_jwt_key.key_file": (True, _Absent.INLINE),
    "manhole_settings.ssh_priv_key_path": (True, _Absent.DROP),
    "manhole_settings.ssh_pub_key_path": (False, _Absent.DROP),
    "tls_private_key_path": (True, _Absent.KEEP),
    "tls_certificate_path": (False, _Absent.KEEP),
    "federation_custom_ca_list[]": (False, _Absent.DROP),
    "app_service_config_files[]": (True, _Absent.KEEP),
    "templates.custom_template_directory": (False, _Absent.DROP),
    "email.template_dir": (False, _Absent.DROP),
    "sso.template_dir": (False, _Absent.DROP),
}


@attrs.frozen
class File:
    """A file that the configuration names."""

    key: str
    path: str
    secret: bool  #: whether it holds one
    problem: str | None = None  #: why it cannot be read, or ``None``
    mode: int | None = None  #: its permission bits, or ``None``


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


def named_files(document: dict[str, Any], directory: Path) -> list[File]:
    """All files that are named; ``directory`` is where the signing key is by default."""
    files = []
    if "signing_key" not in document and document.get("signing_key_path") is None:
        default = directory / f"{document.get('server_name')}.signing.key"
        files.append(look_at("signing_key_path", str(default), secret=True))
    for pattern, (secret, _) in _FILES.items():
        files += [
            look_at(key, holder[name], secret=secret)
            for key, holder, name in _places(document, pattern)
            if isinstance(holder[name], str)
        ]
    return files


def inline_secrets(document: Any) -> Iterator[str]:
    """The keys of secrets in the document that could stand in a file of their own."""
    for pattern, (secret, absent) in _FILES.items():
        if secret and absent is _Absent.INLINE:
            for key, holder, name in _places(document, _inline(pattern)):
                if holder[name]:
                    yield key


def substitute(document: dict[str, Any], files: list[File]) -> None:
    """Put placeholders where Synapse would read those of the named files that cannot be read."""
    missing = {file.key for file in files if file.problem is not None}
    if "signing_key_path" in missing:
        document["signing_key"] = _SIGNING_KEY
    for pattern, (_, absent) in _FILES.items():
        for key, holder, name in list(_places(document, pattern)):
            if key not in missing or absent is _Absent.KEEP:
                continue
            if isinstance(holder, list):
                document.pop(pattern.removesuffix("[]"), None)
                break
            del holder[name]
            if absent is _Absent.INLINE:
                holder.setdefault(_inline(name), "not-read")


def _inline(key: str) -> str:
    """Where the same could stand in the configuration itself."""
    return key.removesuffix("_file") if key.endswith("key_file") else key.removesuffix("_path")


def _places(document: Any, pattern: str) -> Iterator[tuple[str, Any, Any]]:
    """Every place that a pattern leads to: its key, the mapping or list that it is in, its name there."""
    first, _, rest = pattern.partition(".")
    name = first.removesuffix("[]")
    if not isinstance(document, dict) or document.get(name) is None:
        return
    found: list[tuple[str, Any, Any]] = [(name, document, name)]
    if first.endswith("[]"):
        entries = document[name] if isinstance(document[name], list) else []
        found = [(f"{name}[{n}]", entries, n) for n in range(len(entries))]
    for key, holder, own_name in found:
        if not rest:
            yield key, holder, own_name
            continue
        for below, inner, inner_name in _places(holder[own_name], rest):
            yield f"{key}.{below}", inner, inner_name
