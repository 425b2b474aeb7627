"""Status: the status codes and phrases of RFC 3261 §21 and the IANA registry, and their order of preference (§16.7)."""

from typing import Final

PHRASES: Final = {
    100: b"Trying", 180: b"Ringing", 181: b"Call Is Being Forwarded", 182: b"Queued",
    183: b"Session Progress", 199: b"Early Dialog Terminated",
    200: b"OK", 202: b"Accepted", 204: b"No Notification",
    300: b"Multiple Choices", 301: b"Moved Permanently", 302: b"Moved Temporarily", 305: b"Use Proxy",
    380: b"Alternative Service",
    400: b"Bad Request", 401: b"Unauthorized", 402: b"Payment Required", 403: b"Forbidden",
    404: b"Not Found", 405: b"Method Not Allowed", 406: b"Not Acceptable",
    407: b"Proxy Authentication Required", 408: b"Request Timeout", 410: b"Gone",
    412: b"Conditional Request Failed", 413: b"Request Entity Too Large", 414: b"Request-URI Too Long",
    415: b"Unsupported Media Type", 416: b"Unsupported URI Scheme", 417: b"Unknown Resource-Priority",
    420: b"Bad Extension", 421: b"Extension Required", 422: b"Session Interval Too Small",
    423: b"Interval Too Brief", 424: b"Bad Location Information", 428: b"Use Identity Header",
    429: b"Provide Referrer Identity", 430: b"Flow Failed", 433: b"Anonymity Disallowed",
    436: b"Bad Identity Info", 437: b"Unsupported Credential", 438: b"Invalid Identity Header",
    439: b"First Hop Lacks Outbound Support", 440: b"Max-Breadth Exceeded", 469: b"Bad Info Package",
    470: b"Consent Needed", 480: b"Temporarily Unavailable", 481: b"Call/Transaction Does Not Exist",
    482: b"Loop Detected", 483: b"Too Many Hops", 484: b"Address Incomplete", 485: b"Ambiguous",
    486: b"Busy Here", 487: b"Request Terminated", 488: b"Not Acceptable Here", 489: b"Bad Event",
    491: b"Request Pending", 493: b"Undecipherable", 494: b"Security Agreement Required",
    500: b"Server Internal Error", 501: b"Not Implemented", 502: b"Bad Gateway",
    503: b"Service Unavailable", 504: b"Server Time-out", 505: b"Version Not Supported",
    513: b"Message Too Large", 555: b"Push Notification Service Not Supported", 580: b"Precondition Failure",
    600: b"Busy Everywhere", 603: b"Decline", 604: b"Does Not Exist Anywhere", 606: b"Not Acceptable",
    607: b"Unwanted", 608: b"Rejected",
}  # fmt: skip

# RFC 3261 §8.1.3.2: an unknown code is understood as x00 of its class.
_CLASSES: Final = {
    1: b"Session Progress", 2: b"OK", 3: b"Redirection", 4: b"Bad Request",
    5: b"Server Internal Error", 6: b"Busy Everywhere",
}  # fmt: skip


def reason(status: int) -> bytes:
    """Return the registered phrase, or the phrase of its class for an unknown code."""
    return PHRASES.get(status) or _CLASSES.get(status // 100, b"")


# RFC 3261 §16.7 step 6: these tell the client how to make the request acceptable, so they are preferred in their class.
_HELPFUL: Final = (401, 407, 415, 420, 484)


def preference(status: int) -> tuple[bool, int, int, bool]:
    """The sort key of a failure: the best answer to a forked request has the smallest key (RFC 3261 §16.7 step 6).

    A 6xx comes first, then the lowest class. A 503 is the last of its class.
    """
    helpful = _HELPFUL.index(status) if status in _HELPFUL else len(_HELPFUL)
    return status < 600, status // 100, helpful, status == 503
