"""keeping/: stores requests in the silo (msilo's m_store), and informs senders about stored messages.

Input: a MESSAGE in a server transaction, with the names in the request and, after a relay, an `Origin`. Output: a job
of the writer, and the final response of the transaction: 202 after the commit, else the status of the refusal.
silo/intake/ decides the contents of a row; store/ commits the row.

Laws kept here: 202 only after the commit (law 1), delivery to users registered meanwhile (law 7), a clear status at a
bound (law 8), one row per message (law 9).

- storing.py: from the request to the row and the response.
- storable.py: the interface of a request for storing.
- notices.py: notices to senders by MESSAGE ([silo] registrar). silo/compose/notice.py decides whether a sender gets a
  notice, and writes the notice.
- receipts.py: IMDNs for senders asking for receipts (RFC 5438).

The room never relays a request, never sends a stored message to the recipient, and never answers before the commit.

Tests: tests/keeping/ for the decisions of each class; tests/network/ and tests/faults/test_reliability_* for the whole
daemon. Start reading at storing.py.
"""
