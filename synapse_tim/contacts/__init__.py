"""Contact management and the three-stage check of the generation legacy-1.1 (AF_10061-01)."""
