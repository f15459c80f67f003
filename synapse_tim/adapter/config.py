"""Values of Synapse's configuration, asserted to be where they are expected.

The same for modules, which get at the configuration of the process they run in, and for the command
``synapse-tim check``, which reads one without any process.
"""

from collections.abc import Collection, Iterable, Sequence
from typing import Any, Final

import attrs

from synapse_tim.adapter.shape import Touches, incompatible

_SYNAPSE: Final = Touches("config")
_CONFIG: Final = _SYNAPSE.reads(
    "synapse.server.HomeServer.config", "options of homeserver.yaml, by section and name"
)
_FILES: Final = _SYNAPSE.reads(
    "synapse.config.homeserver.HomeServerConfig.config_files", "they are checked at start-up"
)
_MODULES: Final = _SYNAPSE.reads(
    "synapse.config.modules.ModulesConfig.loaded_modules", "a user mapping provider needs a module"
)
_DATABASE: Final = _SYNAPSE.reads(
    "synapse.config.database.DatabaseConnectionConfig.config", "tells PostgreSQL from SQLite"
)
_AUTO_JOIN: Final = _SYNAPSE.changes(
    "synapse.config.registration.RegistrationConfig.auto_join_rooms", "nobody may join them"
)
_REDACTIONS: Final = _SYNAPSE.changes(
    "synapse.config.experimental.ExperimentalConfig.msc4169_enabled", "redactions sent as other events work"
)
_PROVIDER: Final = tuple(
    _SYNAPSE.reads(f"synapse.config.oidc.OidcProviderConfig.{name}", "single sign-on is checked")
    for name in (
        "idp_id",
        "issuer",
        "client_id",
        "allow_existing_users",
        "user_mapping_provider_class",
        "user_mapping_provider_config",
    )
)


@attrs.frozen
class OidcProvider:
    """One of ``oidc_providers`` in ``homeserver.yaml``."""

    id: str  #: under which accounts are linked to it
    issuer: str
    client_id: str
    allow_existing_users: bool  #: whether it may take over existing accounts by name
    mapping: type  #: class of the user mapping provider
    mapping_config: object


class SynapseConfig:
    """Hands out values of a ``HomeServerConfig`` of Synapse."""

    def __init__(self, config: Any, server_name: str) -> None:
        self._config = config
        self._server_name = server_name

    def option(self, section: str, attribute: str) -> object:
        """The value of an option of ``homeserver.yaml``, or what follows from it.

        Args:
            attribute: of that section; ``None`` is returned in processes that do not read it.

        Raises:
            ConfigError: there is no such section or option.
        """
        values = self._section(section)
        if section == "media" and not values.can_load_media_repo:
            return getattr(values, attribute, None)
        try:
            value = getattr(values, attribute)
        except AttributeError:
            raise incompatible(f"config.{section}.{attribute}") from None
        if attribute == "is_publishing_room_allowed":
            return bool(value(f"@user:{self._server_name}", "!room", []))
        found: object = value
        return found

    def _section(self, section: str) -> Any:
        try:
            return getattr(self._config, section)
        except AttributeError:
            raise incompatible(f"config.{section}") from None

    @property
    def server_notices_user(self) -> str | None:
        """The user id that Synapse sends server notices with, if it does."""
        user = self.option("servernotices", "server_notices_mxid")
        return None if user is None else str(user)

    @property
    def public_baseurl(self) -> str:
        """Where clients find this homeserver; Synapse makes it of the server's name if it is not set."""
        return str(self.option("server", "public_baseurl"))

    @property
    def uses_postgresql(self) -> bool:
        """Whether the database is PostgreSQL; otherwise it is SQLite.

        Raises:
            ConfigError: the configuration does not look as expected.
        """
        databases = self.option("database", "databases")
        if not isinstance(databases, list) or not databases:
            raise incompatible("config.database.databases")
        return bool(_DATABASE.of(databases[0])["name"] == "psycopg2")

    @property
    def delegates_authentication(self) -> bool:
        """Whether Matrix Authentication Service has taken over login, sessions and accounts."""
        return bool(self.option("mas", "enabled"))

    @property
    def gives_away_saml_names(self) -> bool:
        """Whether SAML users take over existing accounts with the same name."""
        name = "saml2_grandfathered_mxid_source_attribute"
        return bool(self.option("saml2", "saml2_enabled")) and bool(self.option("saml2", name))

    def oidc_providers(self) -> Iterable[OidcProvider]:
        """Synapse's own providers of single sign-on with OpenID Connect.

        Raises:
            ConfigError: their configuration does not look as expected.
        """
        configured = self.option("oidc", "oidc_providers")
        for found in configured if isinstance(configured, tuple) else ():
            yield OidcProvider(*(touched.of(found) for touched in _PROVIDER))


class HomeserverConfig(SynapseConfig):
    """The configuration of the process that this runs in."""

    def __init__(self, hs: Any, server_name: str) -> None:
        super().__init__(_CONFIG.of(hs), server_name)

    @property
    def config_files(self) -> Sequence[str]:
        """The files that this process was configured with, in their order."""
        files: list[str] = _FILES.of(self._config)
        return files

    @property
    def shared_secret(self) -> bytes:
        """A secret that all processes of this server share: that of Synapse's own tokens."""
        secret = self.option("key", "macaroon_secret_key")
        return secret if isinstance(secret, bytes) else str(secret).encode()

    def loads_module(self, names: Collection[str]) -> bool:
        """Whether ``modules:`` names one of some classes of this project.

        Raises:
            ConfigError: the configuration does not look as expected.
        """
        loaded = _MODULES.of(self._section("modules"))
        return any(
            kind.__name__ in names and kind.__module__.startswith("synapse_tim.") for kind, _ in loaded
        )

    def ignore_auto_join_rooms(self) -> None:
        """Disable ``auto_join_rooms``."""
        registration = self._section("registration")
        _AUTO_JOIN.of(registration)
        registration.auto_join_rooms = []

    def allow_redactions_by_send(self) -> None:
        """Let ``send/m.room.redaction`` work in rooms of the versions 9 and 10, too (MSC4169).

        Synapse has this as an experimental feature; without it such a request ends in an error of its own.

        Raises:
            ConfigError: there is no such feature.
        """
        experimental = self._section("experimental")
        _REDACTIONS.of(experimental)
        experimental.msc4169_enabled = True
