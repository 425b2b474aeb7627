"""One file per verb: a function that Typer parses for, and one that does the work with a Session."""
