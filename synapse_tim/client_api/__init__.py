"""What clients are told and shown: versions, profiles, user directory, keys."""
