"""transaction: retransmissions, timers and the matching of messages (RFC 3261 §17 with RFC 6026 and RFC 4320).

What comes in: parsed requests and responses with their flow and the time, and requests to be sent. What goes out: bytes
for a flow, through the function given as `send`; and calls of the transaction user (new requests, CANCELs, ACKs) and of
the owners of client transactions (responses, timeouts, errors).

Contract: each request reaches the transaction user once; retransmissions are answered here. Each client transaction
ends with a final response, a timeout or a transport error. Memory is bounded, in all (completed.py) and per sender
(shares.py, strangers.py).

The room has no sockets and no clock: `now` is an argument, in monotonic seconds. The room does not know the meaning of
a request, makes no routing decision, and parses no message.

Start with layer.py (the interface), then tables.py (the four state machines), then server_side.py and client_side.py.
The tests are in tests/transaction.
"""
