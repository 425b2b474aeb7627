"""Commands: a file per verb or group of verbs.

Each verb is a function; Typer reads the options from the signature and the help from the docstring. A second
function, `run` in most files, does the work with a Session.
"""
