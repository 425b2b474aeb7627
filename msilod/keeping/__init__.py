"""keeping/: requests into the silo, and what their senders are told."""
