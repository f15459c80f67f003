"""Values of Synapse's configuration, asserted to be where they are expected.

The same for modules, which get at the configuration of the process they run in, and for the command
``synapse-tim check``, which reads one without any process.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import attrs

from synapse_tim.adapter import shape


@attrs.frozen
class OidcProvider:
    """One of ``oidc_providers`` in ``homeserver.yaml``.

    Attributes:
        id: under which accounts are linked to it.
        issuer: of its tokens.
        client_id: its name for this server.
        allow_existing_users: whether accounts that exist are given to whoever it gives their names to.
        mapping: class of the user mapping provider.
        mapping_config: its configuration.
    """

    id: str
    issuer: str
    client_id: str
    allow_existing_users: bool
    mapping: type
    mapping_config: object


class SynapseConfig:
    """Hands out values of one configuration.

    Args:
        config: Synapse's ``HomeServerConfig``.
        server_name: of the server.
    """

    def __init__(self, config: Any, server_name: str) -> None:
        self._config = config
        self._server_name = server_name

    def option(self, section: str, attribute: str) -> object:
        """The value of an option of ``homeserver.yaml``, or what follows from it.

        Args:
            section: of Synapse's configuration object.
            attribute: of that section; ``None`` is returned in processes that do not read it.

        Raises:
            ConfigError: there is no such section or option.
        """
        values = shape.attribute(self._config, section, f"config.{section}")
        if section == "media" and not values.can_load_media_repo:
            return getattr(values, attribute, None)
        value = shape.attribute(values, attribute, f"config.{section}.{attribute}")
        if attribute == "is_publishing_room_allowed":
            return bool(value(f"@user:{self._server_name}", "!room", []))
        found: object = value
        return found

    @property
    def server_notices_user(self) -> str | None:
        """The user id that Synapse sends server notices with, if it does."""
        user = self.option("servernotices", "server_notices_mxid")
        return None if user is None else str(user)

    @property
    def uses_postgresql(self) -> bool:
        """Whether the database is PostgreSQL; otherwise it is SQLite.

        Raises:
            ConfigError: the configuration does not look as expected.
        """
        databases = self.option("database", "databases")
        if not isinstance(databases, list) or not databases:
            raise shape.incompatible("config.database.databases")
        config = shape.attribute(databases[0], "config", "config.database.databases[0].config")
        return bool(config["name"] == "psycopg2")

    @property
    def delegates_authentication(self) -> bool:
        """Whether Matrix Authentication Service has taken over log-in, sessions and accounts."""
        return bool(self.option("mas", "enabled"))

    @property
    def gives_away_saml_names(self) -> bool:
        """Whether Synapse gives accounts that exist to whoever SAML gives their names to."""
        name = "saml2_grandfathered_mxid_source_attribute"
        return bool(self.option("saml2", "saml2_enabled")) and bool(self.option("saml2", name))

    def oidc_providers(self) -> Iterable[OidcProvider]:
        """Synapse's own providers of single sign-on with OpenID Connect.

        Raises:
            ConfigError: their configuration does not look as expected.
        """
        configured = self.option("oidc", "oidc_providers")
        for found in configured if isinstance(configured, tuple) else ():
            names = (
                "idp_id",
                "issuer",
                "client_id",
                "allow_existing_users",
                "user_mapping_provider_class",
                "user_mapping_provider_config",
            )
            yield OidcProvider(
                *(shape.attribute(found, name, f"OidcProviderConfig.{name}") for name in names)
            )
