"""sip: reads and writes SIP messages, as bytes and as plain objects (RFC 3261 §7, §19, §20, §25).

What comes in: the bytes of one message, or of one field or URI. What goes out: `Request`, `Response`, `Via`, `SipUri`,
`NameAddr` and other plain objects, and bytes for the wire. Unreadable input raises MalformedMessage with the status of
the answer. The room also covers RFC 3581 (rport), RFC 5118 (IPv6), RFC 5626 §4.4.1 (keep-alives) and the messages of
RFC 4475 (hostile and odd input). `flow.py` has the names of paths; the sockets are in transport/.

The room has no sockets, clocks, random numbers, logging or transactions, and does not know the meaning of a request to
a registrar, a proxy or a silo. The only import from other rooms is `msilod.errors`.

Rules:
- Input from the wire is bytes. Input is hostile, and every size is bounded (limits.py). Parsing takes linear time.
- Header lines keep the received bytes, apart from line folding. So a forwarded request has the fields of the received
  request (RFC 3261 §16.6 step 1).

Start with message.py, then parser.py and headers.py. The tests are in tests/sip.
"""
