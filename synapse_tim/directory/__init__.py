"""The VZD directory: sessions, searches, owner types."""
