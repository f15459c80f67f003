"""The blocks of ``synapse_tim.ClientApiPolicy``: what clients are told and shown."""

from typing import Annotated

from pydantic import BeforeValidator, Field

from synapse_tim.core.config_types import Block, PartConfig
from synapse_tim.core.products import Product


def _names_or_all(value: object) -> object:
    """The names, or ``None`` for all."""
    if value == "all":
        return None
    if not isinstance(value, list):
        raise ValueError("expected all, or a list of names")
    return value


class ClientApiConfig(Block):
    """``client_api``: what clients are told and shown."""

    unstable_features: Annotated[list[str] | None, BeforeValidator(_names_or_all)] = None
    """Which of Synapse's `unstable_features` clients are told of: `all`, or a list of names. Default: `all`.
    """
    hide_keys_of_strangers: bool = False
    """Whether `keys/query` answers only for users with a membership in a room of the caller, as
    gematik's proposal GSC298 has it.
    """


class ClientApiPolicyConfig(PartConfig):
    """The block of ``synapse_tim.ClientApiPolicy``."""

    client_api: ClientApiConfig = Field(default_factory=ClientApiConfig)
    """What clients are told and shown ([client-api.md](client-api.md))."""

    @property
    def insured_persons(self) -> bool:
        """Whether the users are insured persons, who only find users they share a room with."""
        return self.product is Product.EPA
