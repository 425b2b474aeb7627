"""store/: the silo in its database. The only room with SQL, and the only room that blocks.

The daemon's writer is a process of its own with one connection. The writer commits the jobs of all users together. The
command line is a second writer with short transactions. An engine turns the errors of its database into those of
msilod/errors.py.

Folders: engine/ speaks to a database, commit/ decides what a batch comes to, writer/ carries batches to the process
that commits, tables/ has the reads and changes of the commands, schema/ the versions of the tables.

Tests: tests/store. Start reading at silo.py, then writer/contract.py.
"""
