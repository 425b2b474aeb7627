"""dns/: where the server of a SIP URI is (RFC 3263): NAPTR, SRV and addresses, to an ordered list of hops.

`location.py` says what to ask and in which order to try; it and `records.py`, `choice.py` are pure. `cache.py` is
what has been heard, `resolver.py` asks with bounds, `system.py` is dnspython. Going to the next hop when one
fails is the caller's, with a new branch each time (RFC 3263 §4.3).
"""
