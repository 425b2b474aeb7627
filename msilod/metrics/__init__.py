"""Metrics: Prometheus text over HTTP, and the health of the daemon, for `[metrics] listen`.

`table.py` names each metric with its kind, its labels and its help. `figures.py` reads the values from the objects that
count: a class per group of objects, each with `samples`. `silo_figures.py` reads from the database. `health.py` decides
whether the daemon is ready. `exposition.py` writes the text with prometheus-client. `server.py` answers HTTP requests.

In: HTTP requests of any program that reaches the listener. Out: `/metrics`, `/healthz` and `/readyz`. The room changes
nothing in the daemon.

- A count is an integer that the daemon counts anyway. Without `[metrics] listen` the room is not even imported.
- The event loop takes only integers and lengths for a scrape. The text is made in a thread.
- The database is read in a thread, at most every few seconds, and only for a scrape. A scrape waits at most two
  seconds for the database; then the figures of the last read are told, with their age.
- `/healthz` needs neither a thread nor the database.
- All input is bounded: connections, octets of a request, seconds.

Tests: tests/metrics, and tests/scenarios/test_metrics.py with a real daemon. Start with table.py.
"""
