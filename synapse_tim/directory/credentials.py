"""From the block ``vzd_credentials`` to what a log-in needs; the secret is read from its file at start-up."""

from __future__ import annotations

from pathlib import Path

from synapse_tim.adapter.config_block import wrong
from synapse_tim.directory.config import VzdCredentialsConfig
from synapse_tim.directory.session import ProviderCredentials


def read_credentials(block: VzdCredentialsConfig, *keys: str | int) -> ProviderCredentials:
    """Read the secret.

    Args:
        block: how to log in.
        keys: the path to the block, for messages.

    Raises:
        ConfigError: naming the key of a file that does not hold what it should.
    """
    try:
        secret = Path(block.client_secret_path).read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise wrong(f"no readable text: {error}", *keys, "client_secret_path") from None
    if not secret:
        raise wrong("the file is empty", *keys, "client_secret_path")
    return ProviderCredentials(block.token_url, block.authenticate_url, block.client_id, secret)
