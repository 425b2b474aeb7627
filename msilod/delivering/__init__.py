"""delivering/: sends stored messages to the contacts of the recipients (msilo's m_dump).

Input: an accepted REGISTER, a new row, the end of a back-off, a command of the operator, and the result of a MESSAGE
relayed before storing. Output: one client transaction per MESSAGE and contact, and jobs for the writer (claim, end,
postpone, reject, release, history entry).

silo/runs/ decides: a DeliveryRun per recipient returns steps, and this room carries out the steps. The room never
decides the meaning of a status, never runs SQL, and never answers a request.

- deliverer.py: begins the runs and carries out the steps. delivery_state.py: the objects shared in the room.
- claiming.py, sending.py, row_ends.py: one step each: Claim, Send, and the steps that end rows.
- attempt.py, outgoing.py: one MESSAGE on the wire, and the request to send.
- giving_back.py: repeats failed commits of rows outside any run.
- online_attempts.py: the results of a relayed MESSAGE, for the row and for later runs.
- probes.py: recipients registered at another server. each_device.py: [silo] devices = "each".
- intervention.py, silo_changes.py: commands of the operator, and changes of the database by other processes.

Tests: tests/delivering/ for the decisions of each class; tests/network/ (test_network.py, test_found.py, test_late.py,
test_probes.py) for the whole daemon.
Start reading at deliverer.py, with silo/runs/delivery_run.py.
"""
