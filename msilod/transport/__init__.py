"""transport/: sockets (RFC 3261 §18, RFC 3581), on trio. Bytes and flows in and out; no SIP but its framing.

Streams share one table of connections (streams.py) and one kind of listener; TCP, TLS and WebSocket are three
kinds of connection in it. A name is resolved nowhere in this room.
"""
