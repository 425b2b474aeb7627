"""commit/: what one transaction does."""
