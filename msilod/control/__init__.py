"""Control: calls from the command line to a running daemon, over a Unix socket.

`protocol.py` defines the calls and their answers (JSON-RPC 2.0, one object per line) and has the blocking client
of `msilo`. The other modules are the daemon's side: `socket.py` accepts clients and reads lines; `verbs.py` has the
table of methods, with `status`, `names`, `bindings`, `reload` and `stop`; `dump_verb.py` has `dump`; `row_verbs.py` has
`on_wire`, `give_up`, `expire` and `wake`. `names.py` reads recipients and contacts in the spelling of operators.

In: a line of at most 1 MiB, from a client of the socket's group. Out: one line per call with an id: a result, or an
error and the exit code for the command line.

The room never changes a row: the command line changes rows through store/, and the daemon's own changes go through
StoreWriter. The room never imports daemon/: `reload` and `stop` are callables from wiring.py. A call with
wrong parameters is answered with an error and changes nothing.

Tests: tests/control (the socket), tests/cli and tests/network/desk.py (the methods), tests/faults/test_operator_*.
Start with `ControlVerbs.handlers` in verbs.py.
"""
