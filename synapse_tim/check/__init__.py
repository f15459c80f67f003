"""Checks of a homeserver's configuration, for ``synapse-tim check`` and for start-up."""
