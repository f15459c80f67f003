"""``synapse-tim demo``: a small federation that shows each rule at work."""
