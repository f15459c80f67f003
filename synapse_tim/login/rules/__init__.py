"""The rules of the login; pure."""
