"""Entity statements, trust chains and metadata policies; pure."""
