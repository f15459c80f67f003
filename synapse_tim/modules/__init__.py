"""Modules: thin adapters between Synapse's module API and the services and rules."""
