"""Microseconds of what registrar, proxy and routing decide for every request; the best of several rounds.

    python tests/bench/rooms.py [REPEAT]

Rules: no clock is read inside what is measured, and parsing is done before; noise only ever adds.
"""

import sys
from collections.abc import Callable
from itertools import count
from pathlib import Path
from timeit import repeat

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from msilod.proxy.forwarding import branch_for, forward_request, loop_hash
from msilod.proxy.route import preprocess_route
from msilod.proxy.target_set import Target, target_set
from msilod.proxy.validation import validate
from msilod.registrar.location import LocationService
from msilod.registrar.refresh import said_again
from msilod.registrar.registration import RegistrarPolicy, contact_line, process
from msilod.routing.default import route
from msilod.routing.request import RoutingRequest
from msilod.sip.flow import UDP, Endpoint, Flow
from msilod.sip.message import Request
from msilod.sip.parser import parse
from msilod.sip.uri import SipUri

WALL = 1_700_000_000.0
AOR = "bob@example.test"
POLICY = RegistrarPolicy()
FLOW = Flow(Endpoint(UDP, "192.0.2.1", 5060, b"SIP/2.0/UDP 192.0.2.1:5060"), "198.51.100.7", 5062)
REGISTER = (
    b"REGISTER sip:example.test SIP/2.0\r\n"
    b"Via: SIP/2.0/UDP 198.51.100.7:5062;rport;branch=z9hG4bK776asdhds\r\n"
    b"Max-Forwards: 70\r\n"
    b"From: <sip:bob@example.test>;tag=456248\r\n"
    b"To: <sip:bob@example.test>\r\n"
    b"Call-ID: 843817637684230@998sdasdh09\r\n"
    b"CSeq: %d REGISTER\r\n"
    b"Contact: <sip:bob@198.51.100.7:5062;ob>%b\r\n"
    b"Expires: 3600\r\n"
    b"Allow: INVITE, ACK, CANCEL, OPTIONS, BYE, REFER, NOTIFY, MESSAGE, SUBSCRIBE, INFO\r\n"
    b"User-Agent: Phone 1.0\r\n"
    b"Content-Length: 0\r\n\r\n"
)
MESSAGE = (
    b"MESSAGE sip:bob@example.test SIP/2.0\r\n"
    b"Via: SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bK776asdhds;rport\r\n"
    b"Max-Forwards: 70\r\n"
    b'From: "Alice" <sip:alice@example.test>;tag=1928301774\r\n'
    b"To: <sip:bob@example.test>\r\n"
    b"Call-ID: a84b4c76e66710@pc33.example.test\r\n"
    b"CSeq: 314159 MESSAGE\r\n"
    b"User-Agent: Phone 1.0\r\n"
    b"Content-Type: text/plain;charset=utf-8\r\n"
    b"Content-Length: 5\r\n\r\nHello"
)
POPULATION = 100_000


def request(data: bytes) -> Request:
    """As it comes from the parser."""
    parsed = parse(data)
    assert isinstance(parsed, Request)
    return parsed


def register(cseq: int, params: bytes = b"") -> Request:
    """A REGISTER of the one phone."""
    return request(REGISTER % (cseq, params))


def crowded() -> LocationService:
    """100,000 recipients with one contact each, as after an hour."""
    location = LocationService()
    first = process(register(1), AOR, [], POLICY, FLOW, WALL)
    for number in range(POPULATION):
        first.aor = f"user{number}@example.test"
        location.store(first)
    first.aor = AOR
    location.store(first)
    return location


def main() -> None:
    """Write a line per operation."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5

    def show(name: str, work: Callable[[], object], number: int = 50_000) -> None:
        best = min(repeat(work, number=number, repeat=rounds)) / number
        sys.stdout.write(f"{name:42}{best * 1e6:8.2f} µs\n")

    location = crowded()
    known = location.bindings(AOR, WALL)
    again, changed = register(2), register(2, b";q=0.5")
    show("said_again()", lambda: said_again(again, known, POLICY, FLOW))
    show("process(), refresh that is parsed", lambda: process(again, AOR, known, POLICY, FLOW, WALL), 20_000)
    show("process(), changed contact", lambda: process(changed, AOR, known, POLICY, FLOW, WALL), 20_000)
    serial = count(1)
    refreshed = [process(again, AOR, known, POLICY, FLOW, WALL + n) for n in range(2)]
    show("store() of a refresh", lambda: location.store(refreshed[next(serial) % 2]))
    known = location.bindings(AOR, WALL)
    show("prolong()", lambda: location.prolong(known[0], 2, WALL))
    show("contact_line()", lambda: contact_line(known[0], WALL))
    show("bindings(), one of 100,001 recipients", lambda: location.bindings(AOR, WALL))
    show("bindings(), nobody", lambda: location.bindings("nobody@example.test", WALL))
    show("expire(), nothing due", lambda: location.expire(WALL, 1000))

    message = request(MESSAGE)
    hosts = {"example.test", "192.0.2.1"}
    target = target_set(known)[0]
    uri = SipUri.parse(message.uri)

    def is_myself(uri: SipUri) -> bool:
        return uri.host in hosts

    def is_own_via(sent_by: bytes) -> bool:
        return sent_by == b"192.0.2.1:5060"

    show("validate()", lambda: validate(message, is_myself, is_own_via, uri))
    show("preprocess_route(), no Route", lambda: preprocess_route(message, is_myself))
    show("target_set(), one contact", lambda: target_set(known))
    show("forward_request()", lambda: forward_request(message, target))
    far = Target(target.uri, FLOW, ("<sip:edge.example.test;lr>",))
    show("forward_request(), with Path", lambda: forward_request(message, far))
    show("loop_hash() and branch_for()", lambda: branch_for(b"0123456789abcdef", loop_hash(message)))

    asked = RoutingRequest(b"MESSAGE", uri, is_registered=True)
    show("RoutingRequest()", lambda: RoutingRequest(b"MESSAGE", uri, is_registered=True))
    show("route()", lambda: route(asked))


if __name__ == "__main__":
    main()
