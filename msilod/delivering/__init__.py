"""delivering/: stored messages on their way to the contacts of their recipients."""
