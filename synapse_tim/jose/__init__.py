"""JSON Web Signatures, encryption and keys (RFC 7515 to 7519); pure."""
