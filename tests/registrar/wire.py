"""REGISTERs as they come from the parser, and process() on them, for the tests of this room."""

from collections.abc import Sequence

from msilod.registrar.binding import Binding
from msilod.registrar.registration import RegistrarPolicy, Registration, process
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
    """A REGISTER for bob with these Contact lines and further header lines `extra`."""
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
    """process() with the values of this room's tests."""
    return process(request, aor, before, policy, flow, wall)


def said_no_more(bindings: Sequence[Binding]) -> None:
    """Make process() parse the next REGISTER whatever it says."""
    for binding in bindings:
        binding.said = ()
