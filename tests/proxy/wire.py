"""Parsed requests and answers, and the addresses of the server, for the tests of this room."""

from msilod.sip.flow import UDP, Endpoint, Flow
from msilod.sip.message import Request, Response, build_response
from msilod.sip.parser import parse
from msilod.sip.uri import SipUri

OWN_SENT_BY = b"127.0.0.1:5060"
FLOW = Flow(Endpoint(UDP, "127.0.0.1", 5060, b"SIP/2.0/UDP 127.0.0.1:5060"), "192.0.2.9", 5062)


def is_myself(uri: SipUri) -> bool:
    """Domain and address, on port 5060."""
    return uri.host in ("example.test", "127.0.0.1") and uri.port in (None, 5060)


def is_own_via(sent_by: bytes) -> bool:
    """The one address that we listen on."""
    return sent_by == OWN_SENT_BY


def request(
    method: str = "MESSAGE",
    uri: str = "sip:bob@example.test",
    extra: str = "",
    hops: str = "70",
    from_: str = "<sip:a@example.test>;tag=a",
    to: str = "<sip:bob@example.test>",
) -> Request:
    """A request with further header lines `extra`, each with its CRLF."""
    forwards = f"Max-Forwards: {hops}\r\n" if hops else ""
    data = (
        f"{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKtop\r\n{forwards}"
        f"From: {from_}\r\nTo: {to}\r\n"
        f"Call-ID: c\r\nCSeq: 1 {method}\r\n{extra}Content-Length: 0\r\n\r\n"
    )
    return parsed(data.encode("latin-1"))


def parsed(data: bytes) -> Request:
    """The request in parsed form."""
    made = parse(data)
    assert isinstance(made, Request)
    return made


def response(status: int, method: str = "INVITE", **headers: str) -> Response:
    """An answer to `request(method)`; headers as `www_authenticate="Digest x"`."""
    lines = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return build_response(request(method), status, headers=lines)
