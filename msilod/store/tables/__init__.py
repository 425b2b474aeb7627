"""tables/: the reads and changes of the command line, and the users for both processes.

queue.py reads messages and carries out imports, operator.py changes rows and pauses domains, selection.py turns the
options of a command into conditions, users.py reads and changes the table of users.

Contract: selections, rows and times (silo time) come in; messages, counts and results go out. Each change is a short
transaction with its entries in the history. Queries are built by Peewee's query builder from the models of columns.py
and executed on the connection of the engine; texts of the user are values in these queries, never SQL. Building takes
0.3 ms, so no code here runs for each message of the daemon. Purges, imports and the sweep use the engine's statements.

queue.py, operator.py and users.py still open SQLite by its path.

Tests: tests/store (test_operator.py, test_selection.py, test_plans.py). Start reading at `Queue.messages` in queue.py.
"""
