"""Explanations for a helpdesk: who would be refused what, by which rule, from configuration and database.

The rules are those that the modules apply. Nothing is written, and the homeserver need not run.
"""
