"""Binding: one contact of one AOR, as the location service keeps it (RFC 3261 §10.3 step 7, RFC 3327).

Rule: plain data. Times are seconds since 1970 (UTC), as floats.
"""

from dataclasses import dataclass, field

from msilod.registrar.ping_state import PingState
from msilod.sip.flow import Flow


@dataclass(slots=True)
class Binding:
    """Where an AOR can be reached until `expires_at`.

    `aor` is canonical `user@host`; `contact` is the Contact's URI as it was sent (ASCII); `params` are the
    Contact's own parameters as sent, without q and expires (`;+sip.instance="..."`), to be listed again.
    `flow` is the path the REGISTER came by: None after a restart for a stream that is gone.
    `reg_id` is 0 where outbound is not applied (RFC 5626 §6); else the binding is that of instance and reg-id.
    `methods` is None when the device did not say what it takes. `next_hop` is the outbound proxy for what is
    dumped to it, "" for none: m_dump's, as the routing policy had it at the last REGISTER. `way` is where
    reaching/paths.py found that requests to it leave, `is_without_tcp` that a large one found no TCP there (RFC
    3261 §18.1.1), `said` the lines of the REGISTER that made it, `told` how the 200s list it, up to the seconds
    that are left. `is_outbound`: the REGISTER had `Supported: outbound` and outbound was applied, so its 200 says so.
    `pings` is there when the contact is to be pinged (keep_alive.py), and has the results. `client` is the
    client behind an edge proxy that registered it (auth/source.py), "" for none. None of these eight is stored.
    """

    aor: str
    contact: str
    call_id: str
    cseq: int
    expires_at: float
    registered_at: float
    q: float = 1.0
    params: str = ""
    path: tuple[str, ...] = ()
    flow: Flow | None = None
    instance: str = ""
    reg_id: int = 0
    user_agent: str = ""
    methods: frozenset[str] | None = None
    next_hop: str = field(default="", compare=False)
    way: Flow | None = field(default=None, compare=False, repr=False)
    is_without_tcp: bool = field(default=False, compare=False, repr=False)
    said: tuple[bytes | None, ...] = field(default=(), compare=False, repr=False)
    told: bytes = field(default=b"", compare=False, repr=False)
    is_outbound: bool = field(default=False, compare=False, repr=False)
    client: str = field(default="", compare=False, repr=False)
    pings: PingState | None = field(default=None, compare=False, repr=False)

    @property
    def key(self) -> tuple[str, str, int]:
        """What tells it from the others of its AOR; flows of one device may have the same contact."""
        return self.contact, self.instance, self.reg_id

    @property
    def is_away(self) -> bool:
        """True when it answers no OPTIONS request any more, and has not registered since (keep_alive.py)."""
        state = self.pings
        return state is not None and state.is_away and state.registered_at == self.registered_at

    @property
    def heard_at(self) -> float:
        """When something last came from it: a REGISTER, or an answer to an OPTIONS request. UTC seconds."""
        heard = self.pings.heard_at if self.pings is not None else 0.0
        return max(heard, self.registered_at)

    @property
    def takes_messages(self) -> bool:
        """False when `methods=` or Allow was given and lacks MESSAGE (msilo's m_dump rule)."""
        return self.methods is None or "MESSAGE" in self.methods


# The URI of a contact as sent, and the flow that the contact registered by.
ContactKey = tuple[str, Flow | None]


def contact_key(binding: Binding) -> ContactKey:
    """What two offers of the same contact share."""
    return binding.contact, binding.flow
