"""schema/: the versions of the schema, and the maintenance of a silo as a whole.

migrate.py applies the numbered SQL files of the folder schema/ (of the wheel: msilod/schema), and refuses a database of
another version. maintenance.py carries out `msilo db status`, `upgrade`, `check` and `backup`.

Contract: the path of an SQLite file and a db_table come in; plain data, or lines of text for the user, go out. A start
of the daemon needs `prepare` alone. An upgrade is one transaction: the database has the old or the new version, never a
part of the new version. A released SQL file is never changed; a change of the schema is a file with the next number.

The statements are in msilod/store/engine/sqlite/versions.py. Both modules still open SQLite by its path.

Tests: tests/store/test_schema.py, tests/store/test_maintenance.py. Start reading at `prepare` in migrate.py.
"""
