"""Information services: insurers, support contacts, clients' reports."""
