"""writer/: carries batches from the daemon to the process that commits, and results back.

contract.py has a method for each job of the daemon. parent.py is the daemon's side, child.py the process, pipe.py the
frames between the two, parcel.py the jobs of one frame. The in-line writer (contract.py) commits in the daemon's
process, for tests on a virtual clock.

Contract: plain data goes out, results come back after the commit. A job is withdrawn or taken, never both. The daemon's
side never waits for a commit, except at the end.

Tests: tests/store/test_writer_contract.py, tests/store/test_writer_process.py. Start reading at contract.py.
"""
