"""serving/: one request from the gate to its answer."""
