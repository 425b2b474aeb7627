"""reaching/: finds the flow to a target, and sends answers whose connection is gone.

Input: a `Target` (proxy/target_set.py) and the size of the request. Output: a `Flow` on which the request can leave,
now (`Paths.known`, `Paths.way_to`) or after a DNS look-up and a connection attempt (`Paths.dial`, which calls back).
The failure of a hop leads to the next hop of the name (`Paths.fails_over`, RFC 3263 §4.3).

The room decides which addresses a request may be sent to:
- reachable.py: which hops a URI from the wire may lead to.
- places.py: which UDP addresses a contact may name, so that the daemon does not flood a victim.
- apart.py: when a MESSAGE may leave after the 200 of a REGISTER on the same stream.
- replies.py: where an answer goes when the connection of the request is gone.

The room makes no transactions and no decisions about the branches of a request. Errors to callers are
TransportError.

Tests: tests/reaching/. Start reading at paths.py.
"""
