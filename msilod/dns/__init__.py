"""dns/: finds the servers of a SIP URI (RFC 3263), by NAPTR, SRV and address records, as an ordered list of hops.

What comes in: a SIP URI, the transports that this server listens on, and the time. What goes out: the hops, best first,
never an empty list; or TransportError with one line that is safe to log. The time of a look-up and the number of
questions, in all and per party, are bounded (resolver.py).

The room never sends a SIP request. A caller tries the next hop when a hop fails, with a new branch each time (RFC 3263
§4.3), and reports the failed hop by `Resolver.failed`.

- location.py, records.py, choice.py: pure. Which questions to ask, which records count, and in which order.
- cache.py: answers and failed hops, with times.
- resolver.py: asks the questions within the bounds, on trio.
- system.py: sends a question by dnspython. The only module with an import of dnspython.

Start with location.py. The tests are in tests/dns; zone.py there plays the nameserver.
"""
