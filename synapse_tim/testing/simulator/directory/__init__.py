"""The simulated VZD directory."""
