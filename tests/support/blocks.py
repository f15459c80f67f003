"""The block of ``synapse_tim.TiMessenger``, for tests that hold for it and for the block of a part alike."""

import attrs

from synapse_tim.ti_messenger_config import TiMessengerConfig


class AnyPart:
    """What the blocks of the parts have, whichever has it."""

    def __init__(self, config):
        self._blocks = attrs.astuple(config, recurse=False)

    def __getattr__(self, name):
        for block in self._blocks:
            if hasattr(block, name):
                return getattr(block, name)
        raise AttributeError(name)


def any_part(config):
    """The block of a part as it is, and that of ``TiMessenger`` as if it were one of each part."""
    return AnyPart(config) if isinstance(config, TiMessengerConfig) else config
