"""Login with tokens of identity providers."""
