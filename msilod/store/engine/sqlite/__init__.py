"""sqlite/: the engine for SQLite.

Connection and settings (connection.py, lock.py, reserve.py), the SQL of the hot path (statements.py, tail.py,
history.py, devices.py), memories that are exact because one process alone writes (holdings.py, hours.py), commits of
other processes (foreign_changes.py), the sweep and imports (sweep.py, imports.py), and the files themselves (watch.py,
space.py, damage.py).

Contract: methods take the raw connection, run inside the caller's transaction, and return plain data. Values are
parameters; the table's name is the operator's, checked by the configuration.

Tests: tests/store, tests/faults. Start reading at statements.py.
"""
