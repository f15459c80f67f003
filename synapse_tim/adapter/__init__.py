"""The only package that touches Synapse beyond its module API, and what all parts share with Synapse."""
