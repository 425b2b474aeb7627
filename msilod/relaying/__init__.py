"""relaying/: proxies requests (RFC 3261 §16): target sets, forks, branches, dialogs.

Input: a request in a server transaction, and its targets. Output: client transactions on the flows that reaching/
finds, and one best response upstream (§16.7). Decisions about the responses to an INVITE are made in
proxy/response_context.py; this room sends the requests, and keeps the timers and client transactions.

The modules:
- targets.py: the target set of a request that is not simply for the contacts of an AOR.
- dialogs.py: which requests belong to a dialog that we let through, proved by the token in our Record-Route.
- forwarder.py: makes the right fork for a request, cancels INVITEs, and checks Timer C.
- fork.py: the fork of a non-INVITE request. invite_fork.py: the fork of an INVITE.
- sender.py: one branch of a request. ack_forwarder.py: an ACK for a 2xx.
- booking.py: the party that is charged for look-ups and connections.

When no branch succeeds, a fork calls its `Failure` (fork.py), implemented by the failure route in serving/. The room
never stores a message and never reads the routing policy.

Tests: tests/relaying/ for the decisions of each class; tests/proxy/ for response contexts and tokens; tests/calls/ and
tests/network/ for the whole daemon. Start reading at forwarder.py.
"""
