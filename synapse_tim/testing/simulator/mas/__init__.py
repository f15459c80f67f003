"""A stand-in for Matrix Authentication Service (MAS), as Synapse and clients see it by its documentation.

It reads MAS's own configuration, so that a real one can take its place: it has no setting and no endpoint of
its own. It has no passwords (``passwords.enabled: false`` is demanded), no admin API, no GraphQL, no e-mail
and no rate limits. It is stricter than MAS in one thing: PKCE is demanded, with S256 only, as in Matrix 1.15.
What an operator does with ``mas-cli manage`` are methods of ``AuthenticationService``.
"""
