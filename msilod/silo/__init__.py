"""silo/: decides how a MESSAGE is stored, delivered and retried (RFC 3428, SER's msilo module).

Input: requests, rows, bindings, final responses, and the time. Output: rows to store, requests to send, the steps of
delivery runs, and RequestRefused with the status for the sender.

The room has no sockets, SQL, clocks, tasks or random numbers. Rows outlive the process, so every time is silo time
(store/times.py). Only `due_at`, and the end of a scheduled row until then, are system time. delivering/ and keeping/
carry out the decisions.

- stored_message.py, history.py, policy.py: a row, a history entry, and the [silo] keys.
- intake/: whether a MESSAGE is stored, in which mailbox, and for how long.
- compose/: the requests made of stored messages: deliveries, notices, receipts.
- runs/: the delivery runs, and the memory between runs. decision_table.py gives the meaning of each status.

A crash between the 200 of a device and the commit of the row's end causes one more sending, with the same Call-ID, CSeq
and From tag, so the phone can drop the copy. After a crash before the commit of a new row the sender has no 202, and
sends again.

Tests: tests/silo/. Start reading at runs/delivery_run.py, or for storing at intake/acceptance.py.
"""
