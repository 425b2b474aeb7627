"""Parsed REGISTERs, and the decisions of the registrar about them, for the tests of this room."""

from collections.abc import Sequence
from copy import copy

from msilod.registrar.binding import Binding
from msilod.registrar.gruu import Gruus
from msilod.registrar.location import LocationService
from msilod.registrar.refresh import said_again
from msilod.registrar.registration import RegistrarPolicy, Registration, announced, contact_line, process
from msilod.sip.flow import TCP, UDP, Endpoint, Flow
from msilod.sip.message import Request
from msilod.sip.parser import parse

ENDPOINT = Endpoint(UDP, "127.0.0.1", 5060, b"SIP/2.0/UDP 127.0.0.1:5060")
STREAM = Endpoint(TCP, "127.0.0.1", 5060, b"SIP/2.0/TCP 127.0.0.1:5060")
FLOW = Flow(ENDPOINT, "192.0.2.9", 5062)
POLICY = RegistrarPolicy(max_contacts=3)
AOR = "bob@example.test"
WALL = 1_800_000_000.0
DESK = "<sip:bob@192.0.2.9:5062>"
SOFT = "<sip:bob@192.0.2.10:5064;transport=udp>"


def register(
    *contacts: str, cseq: int = 1, call_id: str = "r1", extra: str = "", scheme: str = "sip"
) -> Request:
    """A REGISTER for bob with these Contact lines and the header lines `extra`."""
    lines = "".join(f"Contact: {contact}\r\n" for contact in contacts)
    data = (
        f"REGISTER {scheme}:example.test SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9:5062;branch=z9hG4bK1\r\n"
        "From: <sip:bob@example.test>;tag=1\r\nTo: <sip:bob@example.test>\r\n"
        f"Call-ID: {call_id}\r\nCSeq: {cseq} REGISTER\r\n{lines}{extra}Content-Length: 0\r\n\r\n"
    )
    request = parse(data.encode("latin-1"))
    assert isinstance(request, Request)
    return request


def apply(
    request: Request,
    before: Sequence[Binding] = (),
    wall: float = WALL,
    flow: Flow = FLOW,
    policy: RegistrarPolicy = POLICY,
    aor: str = AOR,
) -> Registration:
    """An equal REGISTER prolongs a copy of the binding; every other REGISTER goes to process()."""
    said = said_again(request, before, policy, flow)
    if said is None:
        return process(request, aor, before, policy, flow, wall)
    registration = Registration(aor, [copy(binding) for binding in before], wall)
    again = registration.bindings[[binding is said for binding in before].index(True)]
    LocationService().prolong(again, request.cseq, wall)
    registration.refreshed.append(again)
    registration.headers += announced(again.path, again.is_outbound)
    return registration


def said_no_more(bindings: Sequence[Binding]) -> None:
    """Make process() parse the next REGISTER in any case."""
    for binding in bindings:
        binding.said = ()


def contact_lines(registration: Registration, gruus: Gruus | None = None) -> list[bytes]:
    """The Contact values of the 200."""
    return [contact_line(binding, registration.wall, gruus) for binding in registration.bindings]
