"""Removal of inactive rooms and of rooms with insured persons only (A_22811, A_26348)."""
