"""PingState: the results of the OPTIONS requests to one contact (serving/pings.py sends the requests).

Rule: data only. A REGISTER of the same contact takes the state over, so two bindings may share one state.
"""


class PingState:
    """The results of the pings to one contact.

    - `serial`: the number in the wheel (keep_alive.py), -1 outside the wheel.
    - `token`: the token of the OPTIONS request without an answer, b"" for none.
    - `missed`: unanswered requests in a row.
    - `has_answered`: the contact has answered an OPTIONS request since registering on this flow.
    - `heard_at`: UTC seconds of the last answer, 0.0 for none.
    - `registered_at`: the `registered_at` of the binding at the last request. Another value means a REGISTER since.
    - `is_away`: the contact does not answer. Holds until the next REGISTER, see `Binding.is_away`.
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
