"""Apart: on a stream the first MESSAGE after a REGISTER leaves some time after its 200.

Some clients read one message per read of their connection. A MESSAGE in the same segment as the 200 of their REGISTER
stays unread until more data comes. So a delivery to a contact on TCP, TLS or WebSocket, and a MESSAGE that is relayed
to it, wait until the 200 has been on its way for SECONDS. On UDP nothing waits.
"""

from collections import deque
from collections.abc import Callable
from typing import Final

from msilod.registrar.binding import ContactKey

# 100 ms, and 50 ms for the batch in which the 200 is written.
SECONDS: Final = 0.15
Then = Callable[[float], None]


class Apart:
    """`noted` has the contacts that have just registered, with the time from which they may be sent to.

    Times are monotonic seconds. `queue` has the messages that wait, in order; the alarm asks for it. `noted` is never
    empty before `queue` is, so a sender looks at `noted` first.
    """

    def __init__(self) -> None:
        self.noted: dict[ContactKey, float] = {}
        self.queue: deque[tuple[float, Then]] = deque()
        self._is_telling = False

    def note(self, key: ContactKey, now: float) -> None:
        """The 200 to the REGISTER of this contact, which is on a stream, is about to be written."""
        if not self.queue:
            self._forget(now)
        # To the end: the order is that of the times.
        self.noted.pop(key, None)
        self.noted[key] = now + SECONDS

    def holds(self, key: ContactKey, now: float, then: Then) -> bool:
        """True: `then(now)` is called later. False: nothing stands in the way."""
        at = self.noted.get(key, 0.0)
        if at <= now:
            # The alarm may ring a moment late: waiting messages leave before new ones.
            self.handle_timeout(now)
            return False
        self.queue.append((at, then))
        return True

    def handle_timeout(self, now: float) -> None:
        """Let everything happen that is due."""
        if self._is_telling:
            # What leaves just now is the next in order.
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
