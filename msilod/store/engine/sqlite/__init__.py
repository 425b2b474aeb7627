"""sqlite/: the engine for SQLite."""
