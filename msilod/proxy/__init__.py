"""proxy: decides where a request goes and which responses go back (RFC 3261 §16, RFC 5393).

What comes in: parsed requests and responses, bindings of the location service, and events of branches (responses,
timeouts, errors). What goes out: requests ready for the next hop without our Via, target sets, steps for the branches
of a request (`Step`), and refusals as RequestRefused or MalformedMessage.

The room sends nothing and keeps no time. Transactions, connections and DNS are the work of relaying/ and reaching/. The
only state is the response context of one request. All other functions return the same result for the same arguments.

The order of a request: validation.py (§16.3), route.py (§16.4), target_set.py (§16.5), forwarding.py (§16.6),
record_route.py with dialog_token.py (§16.6 step 4). The responses come to response_context.py and redirection.py (§16.7
to §16.10).

Start with validation.py and forwarding.py. The tests are in tests/proxy.
"""
