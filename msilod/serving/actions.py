"""Actions: carries out the actions of the policy (routing/actions.py), one object per action; Relay is in relay.py."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from msilod.delivering.probes import Probes
from msilod.errors import RequestRefused
from msilod.keeping.storing import Storing
from msilod.proxy.sips import only_sips
from msilod.routing.actions import Action, Break, Drop, Dump, Reply, Save, Store
from msilod.routing.myself import Myself
from msilod.serving.incoming import Incoming
from msilod.serving.refusals import Refusals
from msilod.serving.registrar import Registrar
from msilod.sip.extensions import refuse_extensions
from msilod.sip.status import reason

# The methods that the server serves as a user agent. Other methods are relayed for users.
ALLOW: Final = (b"Allow", b"MESSAGE, REGISTER, OPTIONS, ACK, CANCEL")
EXTENSIONS: Final = (b"path", b"outbound", b"gruu")
# RFC 3261 §11.2: the header fields of the answer to an OPTIONS to the server.
CAPABILITIES: Final = (
    ALLOW,
    (b"Accept", b"*/*"),
    (b"Accept-Encoding", b"identity"),
    (b"Supported", b", ".join(EXTENSIONS)),
)
# RFC 6665 §8.3.2: a 489 lists the served event packages. An empty list means none, as with an empty Supported.
NO_EVENTS: Final = (b"Allow-Events", b"")
_TOLD_WITH: Final[dict[int, tuple[tuple[bytes, bytes], ...]]] = {405: (ALLOW,), 489: (NO_EVENTS,)}

Act = Callable[[Incoming, Any, float], None]


class Actions:
    """The functions that carry out actions, by the class of the action. wiring.py fills the table."""

    def __init__(self) -> None:
        self.by_class: dict[type, Act] = {}

    def tie(self, by_class: Mapping[type, Act]) -> None:
        """Use these functions from now on."""
        self.by_class.update(by_class)

    def act(self, incoming: Incoming, action: Action, now: float) -> None:
        """Carry out an action of the policy. Raises SipError with the status of the answer."""
        self.by_class[action.__class__](incoming, action, now)


class Replying:
    """Carries out t_reply(): answers the request."""

    def __init__(self, refusals: Refusals) -> None:
        self._refusals = refusals

    def act(self, incoming: Incoming, action: Reply, now: float) -> None:
        """Answer. Raises RequestRefused 420."""
        headers = tuple((name.encode(), value.encode()) for name, value in action.headers)
        headers += _TOLD_WITH.get(action.status, ())
        transaction, phrase = incoming.transaction, action.phrase.encode()
        if action.status == 200:
            refuse_extensions(transaction.request, b"require", EXTENSIONS)
            if incoming.method == b"OPTIONS":
                headers += CAPABILITIES
        is_usual = not phrase or phrase == reason(action.status)
        # A 2xx to an INVITE is repeated until the ACK comes, also for a stranger (§13.3.1.4).
        is_final = action.status >= (300 if incoming.method == b"INVITE" else 200)
        if is_final and not self._refusals.is_proved(incoming):
            self._refusals.without_state(
                transaction, action.status, headers, b"" if is_usual else phrase, now
            )
        elif is_usual:
            transaction.respond(action.status, now, headers=headers)
        else:
            transaction.respond_in_words(action.status, phrase, headers, now)


class Saving:
    """Carries out save("location"): serves a REGISTER."""

    def __init__(self, registrar: Registrar) -> None:
        self._registrar = registrar

    def act(self, incoming: Incoming, action: Save, now: float) -> None:
        """Serve a REGISTER. Raises RequestRefused, MalformedMessage."""
        if b"require" in incoming.message.received:
            refuse_extensions(incoming.message, b"require", EXTENSIONS)
        if not incoming.registrant:
            # The policy saves a REGISTER for a foreign Request-URI, for which the gate has not checked To.
            raise RequestRefused(403, "Forbidden")
        self._registrar.save(incoming.transaction, incoming.registrant, action, now)


class Dumping:
    """Carries out m_dump() of a request other than a REGISTER to this server."""

    def __init__(self, myself: Myself, probes: Probes) -> None:
        self._myself = myself
        self._probes = probes

    def act(self, incoming: Incoming, action: Dump, now: float) -> None:
        """Deliver, and answer 200. Raises RequestRefused 404, MalformedMessage."""
        aor = self._myself.named(action.uri.encode()).aor if action.uri else incoming.named_to.aor
        if not aor:
            raise RequestRefused(404, "Not Found")
        self._probes.dump(aor, action.next_hop, now)
        incoming.transaction.respond(200, now)


class Keeping:
    """Carries out m_store(): stores the request in the silo."""

    def __init__(self, storing: Storing) -> None:
        self._storing = storing

    def act(self, incoming: Incoming, action: Store, now: float) -> None:
        """Put the request into the silo. Raises RequestRefused."""
        if incoming.bindings and incoming.uri.scheme == "sips":
            # The recipient is registered: answer 480 when no contact may get the message, even if other messages wait
            # (T17).
            only_sips(incoming.bindings)
        if action.uri:
            incoming.new_uri = action.uri.encode()
        self._storing.store(incoming, action.mode, action.next_hop, now)


def drop(incoming: Incoming, action: Drop | Break, now: float) -> None:
    """Carry out drop(): give no answer, and end the server transaction."""
    incoming.transaction.drop()
