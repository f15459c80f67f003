"""Rules: pure Python, values in and a decision out; no Synapse, no Twisted, no I/O, no clock."""
