"""serving/: carries one request from validation to its answer.

Input: a new request in a server transaction (`TransactionUserService.on_request`), and ACKs, CANCELs and lost
answers. Output: one answer, a stored message, or a fork to other targets. Each new request ends in one of these; an
unexpected error is logged and answered 500.

The steps of a request: 1. transaction_user.py reads and validates the request (RFC 3261 §16.3, §16.4) and looks the
recipient up. 2. gate.py decides whether the sender may pass; authentication.py asks for a password. 3. The routing
policy (routing/) returns an action. The policy sees the request as an `Incoming` (incoming.py). 4. One object per
action carries the action out: actions.py, relay.py, registrar.py. 5. When no contact takes a relayed request,
failure_route.py asks the policy again. 6. An error with a SIP status becomes the answer in refusals.py.

shedding.py drops sources that send much without a right password. pings.py keeps the flows of phones behind NAT
open. The room contains no SQL, no sockets and no timers of transactions.

Tests: tests/serving/ and tests/network/. Start reading at transaction_user.py.
"""
