"""commit/: the decisions of one transaction, the same for all databases.

Which rows of a batch are stored and what each job is told (transaction.py), quotas of the silo and of senders
(quota.py), the life of an import's marks (imports.py). The engine (engine/base.py) executes the SQL, and asks back
through `Judge`.

Contract: a `Batch` comes in, an `Outcome` with a result for each job goes out, after the commit. A failed job never
fails other jobs. No SQL, no driver.

Tests: tests/store/test_commit.py on an engine without a database, and the rest of tests/store. Start reading at
`Transactions.execute`.
"""
