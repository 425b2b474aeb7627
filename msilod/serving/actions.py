"""The actions that a policy can ask for (routing/actions.py), one object for each; the longest is in relay.py."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from msilod.delivering.probes import Probes
from msilod.errors import RequestRefused
from msilod.keeping.storing import Storing
from msilod.proxy.sips import only_sips
from msilod.proxy.validation import refuse_extensions
from msilod.routing.actions import Action, Break, Drop, Dump, Reply, Save, Store
from msilod.routing.myself import Myself
from msilod.serving.incoming import Incoming
from msilod.serving.refusals import Refusals
from msilod.serving.registrar import Registrar
from msilod.sip.status import reason

# The methods that the server itself serves, as a user agent would. It relays others for its users.
ALLOW: Final = (b"Allow", b"MESSAGE, REGISTER, OPTIONS, ACK, CANCEL")
EXTENSIONS: Final = (b"path", b"outbound", b"gruu")
# RFC 3261 §11.2: what an OPTIONS to the server itself is told.
CAPABILITIES: Final = (
    ALLOW,
    (b"Accept", b"*/*"),
    (b"Accept-Encoding", b"identity"),
    (b"Supported", b", ".join(EXTENSIONS)),
)
# RFC 6665 §8.3.2 has a 489 name the packages that are served: none, as an empty Supported says it of extensions.
NO_EVENTS: Final = (b"Allow-Events", b"")
_TOLD_WITH: Final[dict[int, tuple[tuple[bytes, bytes], ...]]] = {405: (ALLOW,), 489: (NO_EVENTS,)}

Act = Callable[[Incoming, Any, float], None]


class Actions:
    """The methods that act, by the class of the action. wiring.py ties them: an action may lead to another one."""

    def __init__(self) -> None:
        self.by_class: dict[type, Act] = {}

    def tie(self, by_class: Mapping[type, Act]) -> None:
        """Act by these from now on."""
        self.by_class.update(by_class)

    def act(self, incoming: Incoming, action: Action, now: float) -> None:
        """Do what the policy says. Raises SipError with the status for the sender."""
        self.by_class[action.__class__](incoming, action, now)


class Replying:
    """t_reply()."""

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
        # A 2xx to an INVITE is sent again until its ACK comes, also to a stranger (§13.3.1.4).
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
    """save("location")."""

    def __init__(self, registrar: Registrar) -> None:
        self._registrar = registrar

    def act(self, incoming: Incoming, action: Save, now: float) -> None:
        """Serve a REGISTER. Raises RequestRefused, MalformedMessage."""
        if b"require" in incoming.message.received:
            refuse_extensions(incoming.message, b"require", EXTENSIONS)
        if not incoming.registrant:
            # Saved by a policy, for a Request-URI that is not ours: the gate has not looked at To.
            raise RequestRefused(403, "Forbidden")
        self._registrar.save(incoming.transaction, incoming.registrant, action, now)


class Dumping:
    """m_dump() of a request that is no REGISTER of ours."""

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
    """m_store()."""

    def __init__(self, storing: Storing) -> None:
        self._storing = storing

    def act(self, incoming: Incoming, action: Store, now: float) -> None:
        """Put the request into the silo. Raises RequestRefused."""
        if incoming.bindings and incoming.uri.scheme == "sips":
            # The recipient is here: 480 when no contact may have it, whatever waits before it (T17).
            only_sips(incoming.bindings)
        if action.uri:
            incoming.new_uri = action.uri.encode()
        self._storing.store(incoming, action.mode, action.next_hop, now)


def drop(incoming: Incoming, action: Drop | Break, now: float) -> None:
    """drop(): nothing is answered, and nothing is kept of the request."""
    incoming.transaction.drop()
