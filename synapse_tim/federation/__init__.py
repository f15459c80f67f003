"""The federation list: fetching, verifying, storing and enforcing it (AF_10064-02)."""
