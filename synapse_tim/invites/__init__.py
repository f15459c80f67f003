"""Who may invite and address whom."""
