"""transaction/: retransmission and timers (RFC 3261 §17 with RFC 6026 and RFC 4320).

Pure: bytes go out through a function that is given, `now` is an argument. Nothing here knows what a request
is for.
"""
