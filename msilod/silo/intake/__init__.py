"""intake/: decides whether a MESSAGE is stored, in which mailbox, and for how long.

Input: the request, the AOR of the mailbox, the name of the sender, the policy, and the time. Output: a StoredMessage,
or RequestRefused with the status for the sender. Nothing here remembers a message or reads the silo.

- acceptance.py: makes the row, with the kept header fields, the lifetime and the duplicate key.
- content_types.py: the rules for media types.
- cpim.py: reads the header of message/cpim.
- scheduled.py: reads the due time of a scheduled message.

Tests: tests/silo/test_acceptance.py, test_content_types.py, test_cpim.py, test_scheduled.py. Start reading at
acceptance.py.
"""
