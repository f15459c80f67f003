"""Services: I/O without Synapse; synchronous, run in threads by the layer above."""
