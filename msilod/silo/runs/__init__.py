"""runs/: decides the delivery of stored messages, one run per recipient, and keeps the memory between runs.

Input: bindings, claimed rows, final responses, failures, results of commits, and the time (silo time). Output: steps
(steps.py) for delivering/. A run is a state machine without I/O: the same inputs give the same steps.

Contract: a row in hand ends in exactly one of Settle, Reject, Postpone and Release (law 3). The next MESSAGE to a
contact waits for the commit of the previous row's end (law 2). Rows of a recipient are sent oldest first (law 4).

- delivery_run.py, steps.py: the run, and the steps of a run.
- leased_rows.py, claim_cursor.py, in_flight.py, run_contacts.py, failed_attempts.py: the parts of a run.
- decision_table.py: the meaning of each status, online and for stored rows.
- schedule.py, recipient_memory.py, who_has_mail.py, pauses.py: the memory between runs.
- online_outcome.py, live_branches.py, overdue.py: results of MESSAGEs relayed before storing, and late 2xx.
- device_runs.py: [silo] devices = "each". sips_only.py: messages sent to sips:.

Tests: tests/silo/test_delivery_run.py, test_run_*.py, test_decision_table.py, test_schedule.py. Start reading at
delivery_run.py.
"""
