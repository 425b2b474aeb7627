"""intake/: whether a MESSAGE is kept, in whose mailbox, and for how long."""
