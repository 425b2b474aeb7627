"""Binding: one contact of one AOR in the location service (RFC 3261 §10.3 step 7, RFC 3327).

Rule: plain data. Times are silo time (store/times.py), as floats.
"""

from dataclasses import dataclass, field

from msilod.registrar.ping_state import PingState
from msilod.sip.flow import Flow


@dataclass(slots=True)
class Binding:
    """One contact at which an AOR can be reached until `expires_at`.

    These fields are stored in the database:

    - `aor`: canonical `user@host`.
    - `contact`: the URI of the Contact as sent (ASCII).
    - `params`: the parameters of the Contact as sent, without q and expires (`;+sip.instance="..."`). The 200 lists
      them.
    - `flow`: the path of the REGISTER. None after a restart when the stream is gone.
    - `instance`, `reg_id`: name the binding together when outbound is applied. Otherwise `reg_id` is 0 (RFC 5626 §6).
    - `methods`: the methods listed by the device, None for no list.

    These eight fields are not stored:

    - `next_hop`: the outbound proxy for deliveries (m_dump), as the routing policy gave the proxy at the last REGISTER;
      "" for
    none.
    - `way`: the flow for requests to the contact, found by reaching/paths.py.
    - `is_without_tcp`: True when a large request found no TCP at the contact (RFC 3261 §18.1.1).
    - `said`: the lines of the REGISTER that made the binding (refresh.py).
    - `told`: the Contact value of the 200, without the remaining seconds.
    - `is_outbound`: True when the REGISTER had `Supported: outbound` and outbound was applied. The 200 then says so.
    - `client`: the client behind an edge proxy (auth/source.py), "" for none.
    - `pings`: the ping results when the contact is to be pinged (keep_alive.py), else None.
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
        """The identity of the binding within the AOR. Flows of one device may have the same contact."""
        return self.contact, self.instance, self.reg_id

    @property
    def is_away(self) -> bool:
        """True when the contact stopped answering OPTIONS and has not registered since (keep_alive.py)."""
        state = self.pings
        return state is not None and state.is_away and state.registered_at == self.registered_at

    @property
    def heard_at(self) -> float:
        """UTC seconds of the last REGISTER or the last answer to an OPTIONS request."""
        heard = self.pings.heard_at if self.pings is not None else 0.0
        return max(heard, self.registered_at)

    @property
    def takes_messages(self) -> bool:
        """False when `methods=` or Allow was given and lacks MESSAGE (msilo's m_dump rule)."""
        return self.methods is None or "MESSAGE" in self.methods


# The URI of a contact as sent, and the flow that the contact registered by.
ContactKey = tuple[str, Flow | None]


def contact_key(binding: Binding) -> ContactKey:
    """The key shared by two offers of the same contact."""
    return binding.contact, binding.flow
