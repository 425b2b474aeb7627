"""sip: what a SIP message is, as bytes and as plain objects (RFC 3261 §7, §19, §20, §25).

Here: grammar, URIs, addresses, Via, header fields, requests and responses, parsing, framing on streams,
dates, and `flow`, the name of a path. Also RFC 3581 (rport), RFC 5118 (IPv6), RFC 5626 §4.4.1 (keep-alive),
RFC 4475 (what hostile and odd messages look like).

Never here: sockets, clocks, randomness, logging, transactions, or what a request means to a registrar, a
proxy or a silo. This room imports nothing of ours but `msilod.errors`.

Rules: everything from the wire is bytes, hostile and bounded; parsing is linear; header lines keep the bytes
they came with, unfolded, so that what is forwarded is what came (RFC 3261 §16.6 step 1).
"""
