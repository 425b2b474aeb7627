"""transport/: the sockets of the daemon, on trio (RFC 3261 §18, RFC 3581).

The room moves bytes between sockets and the daemon. Bytes that arrive go to a `Receiver` (receiver.py), with the
`Flow` on which the bytes arrived. Bytes that leave come by `Transports.send(data, flow)`. `Transports.flush` writes
the bytes at the end of a batch.

The contract:
- The room reads no SIP except for the framing of messages, the top Via of a datagram that could not be delivered, and
  the first byte of a datagram.
- The room never resolves a name. Callers pass IP addresses.
- Errors of one connection end that connection only. Errors to the caller are `TransportError`, and `UnavailableError`
  for a port that cannot be bound.
- All input is bounded: connections per address and in all, handshakes, unfinished messages, unsent bytes.

All stream connections are in one table (streams.py) and come from one kind of listener (listener.py). tcp.py, tls.py
and ws.py are the three kinds of connection.

Tests: tests/transport/. Start reading at transports.py, then udp.py and streams.py.
"""
