"""Invitations, and contact without one."""
