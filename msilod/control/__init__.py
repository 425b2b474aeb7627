"""control/: what the command line asks of a running daemon, over a Unix socket."""
