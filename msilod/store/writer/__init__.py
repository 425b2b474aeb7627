"""writer/: the writer's process, and the daemon's side of it."""
