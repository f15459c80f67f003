"""Properties of rooms, their members and their visibility."""
