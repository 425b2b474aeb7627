"""runs/: the delivery runs, as pure machines."""
