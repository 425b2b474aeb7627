"""compose/: the requests that leave the silo."""
