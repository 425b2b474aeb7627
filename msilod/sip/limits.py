"""Limits: the largest messages that are read (law 8). Larger messages are answered with 513 or 414.

Rule: constants only; sizes in bytes.
"""

from typing import Final

MAX_HEADERS_BYTES: Final = 16384
MAX_LINE: Final = 8192
MAX_FIELDS: Final = 200
MAX_VIAS: Final = 70
MAX_URI: Final = 2048
# Parameters of one URI. A SIP phone sends five or fewer. Each parameter takes 200 bytes of memory when parsed.
MAX_URI_PARAMS: Final = 50
# A UDP datagram holds less (RFC 3261 §18.1.1). The same limit holds for streams.
MAX_BODY: Final = 65_536
# RFC 3261 §8.1.1.5 asks clients for less than 2**31; RFC 4475 §3.1.2.4 refuses what needs more than 32 bits.
MAX_CSEQ: Final = 2**32 - 1
