"""Access to a homeserver from outside: its database and its admin API, for commands."""
