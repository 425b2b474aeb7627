"""compose/: makes the requests that leave the silo: deliveries, notices, receipts.

Input: a row, a binding, and the policy. Output: a Request without Via, or for a receipt a new row. Fresh ids and the
time are arguments. Nothing here is sent or remembered, with the exception of NoticeMemory (notice.py).

- delivery_request.py: the MESSAGE to a contact, with the sender's header fields.
- old_phones.py: changes of deliveries for old phones, all off by default.
- notice.py: a text to the sender about an offline recipient or a failed message.
- receipt.py: an IMDN to the sender (RFC 5438).

Tests: tests/silo/test_delivery_request.py, test_old_phones.py, test_notice.py, test_receipt.py. Start reading at
delivery_request.py.
"""
