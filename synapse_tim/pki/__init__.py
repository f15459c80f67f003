"""Certificates of gematik's PKI: paths, revocation, where they come from."""
