"""engine/: the databases of the store, one folder for each.

base.py is the contract of a connection for writing, hold.py the contract of a daemon's hold on its database and of its
reads, choice.py picks the engine for a db_url. SQLite is the only engine yet.

A new engine is a folder beside sqlite/ with an `Engine`, `Hours`, `Hold` and `Reads`, a line in choice.py, migrations
beside schema/sqlite/, and one more value of ENGINES in tests/store/databases.py.

Contract: an engine executes batches and answers reads with plain data. An engine never decides what a sender is told.

Tests: tests/store, for each engine. Start reading at base.py.
"""
