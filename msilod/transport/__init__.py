"""transport/: sockets (RFC 3261 §18, RFC 3581), on trio. Bytes and flows in and out; no SIP but its framing.

A name is resolved nowhere in this room yet; TLS, WebSocket and DNS will come here, beside UDP and TCP.
"""
