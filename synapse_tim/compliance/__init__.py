"""gematik's requirements on a server, and the evidence for each of them."""
