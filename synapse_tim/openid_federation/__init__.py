"""OpenID Federation 1.0: whom the trust anchor vouches for, and what we publish about ourselves."""
