"""registrar/: decides what a REGISTER changes, and keeps the bindings of all users in memory (RFC 3261 §10, RFC 3327).

What comes in: a parsed REGISTER, the bindings of the AOR, the policy, the flow of the request, and the time. What goes
out: a `Registration` (added, refreshed and removed bindings, and header fields of the 200), or RequestRefused
with the status of the refusal. `LocationService` answers which bindings an AOR has.

The room has no sockets, clocks, random numbers or database. Every time is an argument. The room never sends a request,
never writes to the database, and never changes a Binding during a REGISTER that may still be refused.

- binding.py, registration.py, register_contact.py: a REGISTER is checked and applied.
- refresh.py: the fast path for a REGISTER with the same contents as the one before.
- location.py: the bindings in memory, with expiry and indexes.
- outbound.py, gruu.py: RFC 5626 and RFC 5627.
- reach.py, phones.py, room.py, removal.py: which bindings are reachable, duplicate or displaced.
- keep_alive.py, ping_state.py: when contacts behind NAT are pinged.

Start with registration.py, then location.py. The tests are in tests/registrar.
"""
