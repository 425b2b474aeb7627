"""Booking: decides which party is charged for the DNS look-ups and connections of a target (law 8)."""

from msilod.auth.source import Sources
from msilod.auth.trust import Trust
from msilod.proxy.target_set import Target
from msilod.sip.flow import Flow
from msilod.sip.message import Request


class Booking:
    """Sets `Target.booked_on`. The limits per party are in reaching/paths.py and dns/resolver.py."""

    __slots__ = ("_sources", "_trust")

    def __init__(self, trust: Trust, sources: Sources) -> None:
        self._trust = trust
        self._sources = sources

    def book(self, target: Target, user: str | None, request: Request, came: Flow) -> None:
        """Set `target.booked_on`, for a target that needs a look-up or a connection, unless a party is set already.

        The party is `user`, else the source of `request`. Trusted networks, and this host while loopback is without
        limits, are the operator's own, and have no limit.
        """
        if not target.booked_on:
            is_operators = self._trust.trusts(came) or self._sources.is_exempt(came)
            target.booked_on = user or ("" if is_operators else self._sources.of(request, came))
