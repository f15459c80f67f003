"""Simulated identity providers, who logs in there, and their tokens."""
