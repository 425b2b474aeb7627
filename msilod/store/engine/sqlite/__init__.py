"""sqlite/: the engine for SQLite.

The contract: transactions, syncs and errors (engine.py), calls by name (operations.py), the hold of the daemon and its
reads (hold.py). Connection and settings (connection.py, lock.py, reserve.py), the SQL of the hot path (statements.py,
tail.py, history.py, devices.py), memories (holdings.py, hours.py), commits of other processes (foreign_changes.py), the
sweep and imports (sweep.py, imports.py), the files and the disk (watch.py, room.py, space.py, damage.py).

The memories are exact because one process alone writes; after a commit of another process the memories are read again.

Methods with a `db` take the raw connection, run inside the caller's transaction, and return plain data. Values are
parameters of the SQL. The name of the table is from the configuration, which checks the name.

Tests: tests/store, tests/faults. Start reading at engine.py, then statements.py.
"""
