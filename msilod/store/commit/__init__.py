"""commit/: what is the same for all databases in one transaction.

Quotas (quota.py), operations by name (operations.py), the mark of an imported row (imports.py), and a batch that is
committed together or piece by piece (transaction.py). The SQL that these need is in engine/. Statements that
begin, commit and sync a transaction of SQLite are still in transaction.py.

Tests: tests/store. Start reading at `Transactions.execute`.
"""
