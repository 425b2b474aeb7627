"""Apart: delays the first MESSAGE to a contact on a stream until some time after the 200 of a REGISTER.

Some clients read one message per read of their connection. A MESSAGE in the same segment as the 200 stays unread
until more data comes. So a delivery or a relayed MESSAGE to a contact on TCP, TLS or WebSocket waits until SECONDS
after the 200. On UDP no message waits.
"""

from collections import deque
from collections.abc import Callable
from typing import Final

from msilod.registrar.binding import ContactKey

# 100 ms, and 50 ms for the batch in which the 200 is written.
SECONDS: Final = 0.15
Then = Callable[[float], None]


class Apart:
    """`noted`: contacts with a recent REGISTER, and the time from which messages may be sent to the contact.

    Times are monotonic seconds. `queue`: the waiting messages in order of time; the alarm asks for the first time.
    `noted` is never empty before `queue` is, so a sender checks only `noted` first.
    """

    def __init__(self) -> None:
        self.noted: dict[ContactKey, float] = {}
        self.queue: deque[tuple[float, Then]] = deque()
        self._is_telling = False

    def note(self, key: ContactKey, now: float) -> None:
        """The 200 to a REGISTER on a stream is about to be written: hold messages to the contact."""
        if not self.queue:
            self._forget(now)
        # Move the key to the end: the dict is in order of time.
        self.noted.pop(key, None)
        self.noted[key] = now + SECONDS

    def holds(self, key: ContactKey, now: float, then: Then) -> bool:
        """True: `then(now)` is called later. False: the message may leave now."""
        at = self.noted.get(key, 0.0)
        if at <= now:
            # The alarm may be late. Waiting messages leave before new messages.
            self.handle_timeout(now)
            return False
        self.queue.append((at, then))
        return True

    def handle_timeout(self, now: float) -> None:
        """Call all functions that are due."""
        if self._is_telling:
            # A function of the queue is running. The loop below calls the next function afterwards, in order.
            return
        self._is_telling, queue = True, self.queue
        try:
            while queue and queue[0][0] <= now:
                queue.popleft()[1](now)
        finally:
            self._is_telling = False
        if not queue:
            self._forget(now)

    def _forget(self, now: float) -> None:
        while self.noted:
            key = next(iter(self.noted))
            if self.noted[key] > now:
                return
            del self.noted[key]
