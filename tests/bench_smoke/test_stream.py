"""The generator over TCP: messages are split by Content-Length, in segments of any size."""

import pytest

from tests.bench.load.stream_agent import message_end

EMPTY = b"SIP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n"
WITH_BODY = b"MESSAGE sip:u SIP/2.0\r\ncontent-length:  9\r\n\r\nmb1\r\n\r\n|."


@pytest.mark.parametrize("message", [EMPTY, WITH_BODY])
def test_a_message_ends_at_its_content_length(message: bytes) -> None:
    assert message_end(message + EMPTY, 0) == len(message)
    assert message_end(EMPTY + message, len(EMPTY)) == len(EMPTY) + len(message)
    assert all(message_end(message[:cut], 0) == -1 for cut in range(len(message)))
