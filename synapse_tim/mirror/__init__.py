"""Mirror of the federation list, roots, sub-CAs and OCSP answers for many homeservers.

Fetches with the provider's credentials, verifies, keeps and serves. The homeservers verify all of it again
and trust the mirror in nothing: it can withhold, and be late, but not forge.
"""
