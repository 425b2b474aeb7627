"""Random messages are read and written; sipmessage, an independent parser, reads the messages the same way."""

import sipmessage
from hypothesis import given, settings
from hypothesis import strategies as st

from msilod.errors import MalformedMessage
from msilod.sip.message import Request, Response, build_response, response_bytes
from msilod.sip.parser import parse
from msilod.sip.stamp import stamp_source
from msilod.sip.uri import SipUri
from tests.sip.samples import FLOW, request, response

# Without `%`: sipmessage takes `%` for an escape outside of URIs, against RFC 4475 §3.1.1.5.
TOKEN = "abcXYZ019-.!*_+`'~"
tokens = st.text(TOKEN, min_size=1, max_size=12).map(str.encode)
users = st.text("abcXYZ019-_.!~*'()&=+$,;?/", min_size=1, max_size=12).map(str.encode)
hosts = st.sampled_from([b"example.test", b"a.b-c.test", b"192.0.2.1", b"[2001:db8::1]", b"localhost"])
ports = st.one_of(st.just(b""), st.integers(1, 65535).map(lambda port: b":%d" % port))
uris = st.builds(b"sip:%b@%b%b".__mod__, st.tuples(users, hosts, ports))
displays = st.one_of(st.just(b""), st.sampled_from([b'"Alice \\"A\\" B" ', b"Alice B ", b'"<;,>" ']))
texts = st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "Zs"]), max_size=30).map(
    lambda text: text.strip().encode()
)
methods = st.sampled_from([b"MESSAGE", b"REGISTER", b"OPTIONS", b"INVITE", b"BYE", b"X-Y.Z"])
names = st.sampled_from([b"Subject", b"X-Odd", b"User-Agent", b"s", b"Date", b"Organization", b"x-lower"])
extras = st.lists(st.tuples(names, texts), max_size=5)
bodies = st.binary(max_size=200)
vias = st.lists(
    st.builds(
        b"SIP/2.0/%b %b%b;branch=%b%b".__mod__,
        st.tuples(
            st.sampled_from([b"UDP", b"TCP", b"TLS", b"WS"]),
            hosts,
            ports,
            tokens,
            st.sampled_from([b"", b";rport"]),
        ),
    ),
    min_size=1,
    max_size=4,
)


@st.composite
def messages(draw: st.DrawFn, is_request: bool = True) -> bytes:
    """A well-formed message."""
    method = draw(methods)
    start = (
        b"%b %b SIP/2.0" % (method, draw(uris))
        if is_request
        else b"SIP/2.0 %d OK" % draw(st.integers(100, 699))
    )
    tag = draw(tokens)
    body = draw(bodies)
    lines = [
        *(b"Via: " + via for via in draw(vias)),
        b"From: %b<%b>;tag=%b" % (draw(displays), draw(uris), tag),
        b"To: %b<%b>" % (draw(displays), draw(uris)),
        b"Call-ID: " + draw(tokens),
        b"CSeq: %d %b" % (draw(st.integers(0, 2**32 - 1)), method),
        *(b"%b: %b" % extra for extra in draw(extras)),
        b"Content-Length: %d" % len(body),
    ]
    return b"\r\n".join([start, *draw(st.permutations(lines)), b"", body])


@given(messages())
def test_f4_a_request_is_written_as_received(data: bytes) -> None:
    parsed = request(data)
    assert parsed.to_bytes() == data
    assert parsed.copy().to_bytes() == data


@given(messages(is_request=False))
def test_f4_a_response_is_written_as_received(data: bytes) -> None:
    assert response(data).to_bytes() == data
    assert response(data).copy().to_bytes() == data


@given(messages())
def test_f5_bare_line_feeds_have_the_same_meaning(data: bytes) -> None:
    head, _, body = data.partition(b"\r\n\r\n")
    assert request(head.replace(b"\r\n", b"\n") + b"\n\n" + body).to_bytes() == data


@given(messages())
def test_f2_folds_have_the_same_meaning(data: bytes) -> None:
    head, _, body = data.partition(b"\r\n\r\n")
    start, *lines = head.split(b"\r\n")
    folded = [line.replace(b": ", b":\r\n \t", 1) for line in lines]
    assert request(b"\r\n".join([start, *folded, b"", body])).to_bytes() == data


@given(messages())
def test_a_stamped_request_can_be_parsed(data: bytes) -> None:
    before, parsed = request(data), request(data)
    stamp_source(parsed, FLOW)
    again = request(parsed.to_bytes())
    assert again.via.params == parsed.via.params
    assert (again.via.branch, again.via.sent_by) == (before.via.branch, before.via.sent_by)
    assert again.via.params.get(b"received") == b"198.51.100.7"
    assert len(again.headers.split(b"via")) == len(before.headers.split(b"via"))
    unchanged = [text for name, text in before.headers.fields if name != b"via"]
    assert [text for name, text in parsed.headers.fields if name != b"via"] == unchanged


@given(messages(), st.integers(100, 699), tokens)
def test_an_answer_can_be_parsed(data: bytes, status: int, tag: bytes) -> None:
    asked = request(data)
    answer = response(response_bytes(asked, status, tag))
    assert answer.to_bytes() == build_response(asked, status, to_tag=tag).to_bytes()
    assert (answer.status, answer.cseq, answer.cseq_method, answer.to_tag) == (
        status,
        asked.cseq,
        asked.method,
        tag,
    )
    assert answer.headers.get_all(b"via") == asked.headers.get_all(b"via")
    assert answer.via is not None
    assert answer.via.branch == asked.via.branch


@settings(max_examples=300)
@given(messages())
def test_sipmessage_reads_a_request_the_same_way(data: bytes) -> None:
    ours = request(data)
    theirs = sipmessage.Message.parse(data)
    assert isinstance(theirs, sipmessage.Request)
    assert theirs.method.encode() == ours.method
    assert theirs.body == ours.body
    uri = SipUri.parse(ours.uri)
    assert (theirs.uri.user, theirs.uri.host, theirs.uri.port) == (uri.user, uri.host, uri.port)
    assert theirs.cseq.sequence == ours.cseq
    assert theirs.call_id.encode() == ours.call_id
    assert str(theirs.from_address.uri).encode() == ours.from_.uri
    assert theirs.from_address.parameters["tag"] == ours.from_.tag.decode()
    assert str(theirs.to_address.uri).encode() == ours.to.uri
    top = theirs.via[0]
    assert top.transport.encode() == ours.via.transport
    assert top.host.encode() == ours.via.host
    assert top.port == ours.via.port
    assert (top.parameters["branch"] or "").encode() == ours.via.branch
    assert len(theirs.via) == len(ours.headers.split(b"via"))


@given(messages(is_request=False))
def test_sipmessage_reads_a_response_the_same_way(data: bytes) -> None:
    ours = response(data)
    theirs = sipmessage.Message.parse(data)
    assert isinstance(theirs, sipmessage.Response)
    assert (theirs.code, theirs.phrase.encode(), theirs.body) == (ours.status, ours.reason, ours.body)
    assert (theirs.cseq.sequence, theirs.cseq.method.encode()) == (ours.cseq, ours.cseq_method)


@given(messages())
def test_sipmessage_reads_our_answer(data: bytes) -> None:
    theirs = sipmessage.Message.parse(response_bytes(request(data), 202, b"ours"))
    assert isinstance(theirs, sipmessage.Response)
    assert (theirs.code, theirs.phrase) == (202, "Accepted")
    assert theirs.to_address.parameters["tag"] == "ours"


@settings(max_examples=300)
@given(messages(), st.integers(0, 500), st.binary(max_size=6), st.integers(0, 6), st.booleans())
def test_a_damaged_message_is_parsed_or_refused(
    data: bytes, at: int, noise: bytes, cut: int, stream: bool
) -> None:
    damaged = data[:at] + noise + data[at + cut :]
    try:
        parsed: Request | Response | None = parse(damaged, stream)
    except MalformedMessage as error:
        parsed = error.request if isinstance(error.request, Request) else None
    if isinstance(parsed, Request):
        assert response_bytes(parsed, 400, b"t").count(b"\r\n\r\n") == 1
        stamp_source(parsed, FLOW)
