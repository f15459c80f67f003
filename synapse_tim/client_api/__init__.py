"""The client API: versions, profiles, user directory, keys."""
