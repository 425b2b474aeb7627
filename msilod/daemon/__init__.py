"""Daemon: makes the objects of one daemon, and runs them from start to end.

`wiring.py` makes all objects, from the lower rooms to the upper ones, and ties the few calls from a lower room to an
upper one. `parts.py` names these objects. `configuring.py` and `policies.py` turn a configuration into the policies of
the rooms, at the start and after a reload. `process.py` is the process around the objects: files, sockets, signals, the
ready line, exit codes. `daemon.py` starts the tasks, and drains at the end. `receiver.py` passes received bytes to the
layers and ends each batch.

Work by the clock: `alarm.py` (timers of transactions), `housekeeping.py` (every second or more rarely),
`user_watch.py` and `revocation.py` (changes of users), `recollection.py` (the silo after a start),
`writer_results.py` (results of the writer's process).

In: a checked configuration, open listeners, an open silo. Out: an exit code, 0 after TERM or INT. The room may import
every other room, and no room imports daemon/. The room decides nothing about messages: the decisions are in the pure
rooms (ARCHITECTURE.md).

Tests: tests/daemon, tests/network (the whole daemon on a virtual clock), tests/scenarios (real processes).
Start with `build` in wiring.py, then `Daemon.run` in daemon.py.
"""
