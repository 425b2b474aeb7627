"""store/: SQL. The only room that imports peewee, and the only one that blocks.

The daemon's writer is one process with a connection of its own and commits for everybody at once; the command
line is a second, polite writer. Foreign exceptions become ours in database.py and nowhere else.
"""
