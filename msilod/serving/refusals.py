"""Refusals: answers refused requests, without state for a sender that has proved no identity (RFC 3261 §8.2.7)."""

from msilod.auth.trust import Trust
from msilod.counters import Counters
from msilod.errors import RequestRefused, SipError
from msilod.log import get_log
from msilod.serving.incoming import Incoming
from msilod.serving.shedding import Shedding
from msilod.sip.flow import Flow
from msilod.sip.status import reason
from msilod.sip.warning import warning
from msilod.transaction.server_transaction import Headers, ServerTransaction


class Refusals:
    """Answers strangers without state, and users within their transaction."""

    __slots__ = ("_counters", "_shedding", "_trust")

    def __init__(self, trust: Trust, shedding: Shedding, counters: Counters) -> None:
        self._trust = trust
        self._shedding = shedding
        self._counters = counters

    def is_proved(self, incoming: Incoming) -> bool:
        """True for a request of a user or a trusted network. Others are refused without state (RFC 3261 §8.2.7)."""
        return incoming.user is not None or self._trust.trusts(incoming.transaction.flow)

    def refuse(
        self, transaction: ServerTransaction, incoming: Incoming | None, error: SipError, now: float
    ) -> None:
        """Answer with a failure; `incoming` is None when the request was refused before the gate."""
        status, headers, phrase = error.status, error.headers, b""
        if transaction.request.method == b"REGISTER" and error.phrase.encode() != reason(status):
            # Phones show the phrase or the Warning to the user. A copy of the request gets the Warning only.
            phrase = error.phrase.encode()
            headers += (warning(phrase),)
        try:
            if incoming is None or not self.is_proved(incoming):
                self.without_state(transaction, status, headers, phrase, now)
            elif phrase:
                transaction.respond_in_words(status, phrase, headers, now)
            else:
                transaction.respond(status, now, headers=headers)
        except ValueError:
            # The phrase contains text of the sender that cannot stand in a header. The status is enough.
            transaction.respond(status, now)

    def broken(
        self, transaction: ServerTransaction, incoming: Incoming | None, error: Exception, now: float
    ) -> None:
        """Answer 500 after an unexpected error."""
        self._counters.internal_errors += 1
        get_log().error("a request could not be served", exc_info=error, method=transaction.request.method)
        self.refuse(transaction, incoming, RequestRefused(500, "Server Internal Error"), now)

    def count(self, flow: Flow, now: float) -> None:
        """Count a request on `flow` that was refused without state."""
        self._shedding.fruitless(flow, now)

    def without_state(
        self, transaction: ServerTransaction, status: int, headers: Headers, phrase: bytes, now: float
    ) -> None:
        """Answer a stranger without state, and count the source. `phrase` is b"" for the phrase of the RFC."""
        # Answer before counting: counting may close the connection, and then the answer would need a new connection.
        transaction.refuse(status, headers, phrase)
        self._shedding.fruitless(transaction.flow, now)
