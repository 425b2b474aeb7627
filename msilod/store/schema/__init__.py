"""schema/: versions of the schema, and maintenance."""
