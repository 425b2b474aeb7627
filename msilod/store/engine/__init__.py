"""engine/: the databases that the store can speak to, one folder for each.

Only the engines, schema/ and, for now, the modules that tests/test_layers.py names import a database driver. The
engine for SQLite is the only one yet.
"""
