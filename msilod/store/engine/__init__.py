"""engine/: the databases that the store can speak to."""
