"""Certificates and signatures in gematik's shape, and every wrong one."""
