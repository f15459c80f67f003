"""HTTP with limits, pins and deadlines; without Synapse."""
