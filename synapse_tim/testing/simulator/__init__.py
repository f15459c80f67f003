"""A TI on loopback: PKI, federation list, VZD directory, identity providers."""
