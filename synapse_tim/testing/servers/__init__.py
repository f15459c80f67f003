"""Real servers on loopback: Synapse, workers, PostgreSQL, Redis, and clients of them."""
