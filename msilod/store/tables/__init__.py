"""tables/: what commands and starts read and change."""
