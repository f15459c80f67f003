"""What rooms may be, and who enters and sees them."""
