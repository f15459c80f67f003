"""Rules about events: reactions, threads, redactions."""
