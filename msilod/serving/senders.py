"""Senders: tells for which party a live request is counted (transaction/shares.py)."""

from msilod.auth.members import Members
from msilod.auth.source import Sources
from msilod.auth.trust import Trust
from msilod.errors import MalformedMessage
from msilod.routing.myself import Myself
from msilod.sip.flow import Flow
from msilod.sip.message import Request


class Senders:
    """Counts by user while passwords are required, else by source."""

    __slots__ = ("_members", "_myself", "_sources", "_trust")

    def __init__(self, members: Members, trust: Trust, sources: Sources, myself: Myself) -> None:
        self._members = members
        self._trust = trust
        self._sources = sources
        self._myself = myself

    def of(self, request: Request, flow: Flow | None) -> str:
        """The user who sent the request; else the source; "" for a trusted source, an edge, and loopback.

        A request in the name of a user becomes live only with the password of that user.
        """
        if self._members.is_closed:
            try:
                aor = self._myself.identify(request.from_.uri).aor
            except MalformedMessage:
                aor = ""
            if aor:
                return aor
        if flow is None or self._trust.trusts(flow):
            return ""
        return self._sources.of_address(flow.host)
