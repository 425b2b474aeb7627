"""msilo: the command to inspect and change the silo.

`app.py` has the global options and the tree of verbs; `commands/` has a file per verb or group of verbs. `session.py`
opens the configuration, the silo and the connection to the daemon when first used. `filters.py` turns the words and
options of a command into a Selection. `printer.py` prints rows as a table, TSV, JSON, JSON Lines or ids;
`message_view.py` turns a message into these forms, `exchange.py` into a line of an export and back. `names.py` reads
addresses as the daemon reads URIs. `output_file.py` writes the file of `-o`. `__main__.py` turns errors into one line
and an exit code.

The command reads and changes rows through store/, and calls a running daemon through the control socket. The package
never imports transport/, transaction/ or daemon/. Text from messages reaches a terminal only through
msilod/printable.py. Data goes to standard output, all other text to standard error. Typer and rich are imported only
here and in msilod/__main__.py.

Tests: tests/cli, tests/faults/test_operator_*. Start with app.py, then commands/list_cmd.py.
"""
