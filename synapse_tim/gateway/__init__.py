"""Identity gateway: an OpenID provider for this homeserver that logs people in at the TI's providers."""
