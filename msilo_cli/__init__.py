"""msilo: the command to look into the silo and to act on it. Typer and rich live here.

It works on rows through store/ and asks a running daemon through its control socket; it never imports
transport, transaction or daemon. `app.py` is the tree, `commands/` has a file per verb.
"""
