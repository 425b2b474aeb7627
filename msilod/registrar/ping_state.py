"""PingState: the results of the OPTIONS requests to one contact (serving/pings.py sends them).

Rule: data only. The state is carried on from one REGISTER of a contact to the next, so that two bindings may share one.
"""


class PingState:
    """`serial` is the number in the wheel (keep_alive.py), -1 outside of it.

    `token` is that of the OPTIONS request without an answer, b"" for none; `missed` counts the requests in a row
    that had no answer; `has_answered`: the contact has answered one since it registered on this flow. `heard_at` is
    when the last answer came (UTC seconds, 0.0 for none). `registered_at` is that of the binding when the last
    request was sent: another value means a REGISTER since. `is_away` holds as long as there was none, see
    `Binding.is_away`.
    """

    __slots__ = ("has_answered", "heard_at", "is_away", "missed", "registered_at", "serial", "token")

    def __init__(self) -> None:
        self.serial = -1
        self.token = b""
        self.missed = 0
        self.has_answered = False
        self.heard_at = 0.0
        self.registered_at = 0.0
        self.is_away = False
