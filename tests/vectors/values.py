"""Vectors about values: addresses, CSeq, Via, dates, life time, identity (RFC 3261 §19, §20; RFC 3428 §7)."""

from typing import Final

from tests.vectors.vector import NOTHING, vector

ADDRESSES: Final = (
    vector("bare_from", "without <> all parameters are the field's (§20.20)",
           from_=b"From: sip:alice@example.test;tag=b"),
    vector("bare_to_comma", "a comma needs <> (§20.10)", 400, to=b"To: sip:bob@example.test,carol"),
    vector("quoted_at", "a display name may hold anything quoted (§25.1)",
           from_=b'From: "a\\"b <sip:eve@example.test>, \\\\" <sip:alice@example.test>;tag=q'),
    vector("open_quote", "a quote that never closes (§25.1)", 400,
           from_=b'From: "Alice <sip:alice@example.test>;tag=o'),
    vector("open_bracket", "a bracket that never closes (§25.1)", 400, to=b"To: <sip:bob@example.test"),
    vector("utf8_name", "UTF-8 in a display name (§25.1)",
           from_='From: "Žofie ☎" <sip:alice@example.test>;tag=u'.encode()),
    vector("from_no_tag", "RFC 2543 had none (§8.1.1.3)", from_=b"From: <sip:alice@example.test>"),
    vector("from_tel", "a sender may be a number (RFC 3966)", from_=b"From: <tel:+420123456789>;tag=t"),
    vector("to_other", "the Request-URI says who; mode 0", to=b"To: <sip:somebody@elsewhere.test>"),
    vector("uri_escaped", "%62ob is bob (§19.1.4)", start=b"MESSAGE sip:%62ob@example.test SIP/2.0"),
    vector("uri_host_case", "hosts are case-insensitive (§19.1.4)",
           start=b"MESSAGE sip:bob@EXAMPLE.Test SIP/2.0"),
    vector("uri_password", "a password is no part of the name (§19.1.1)",
           start=b"MESSAGE sip:bob:secret@example.test SIP/2.0"),
    vector("uri_semicolon_user", "a user may hold ; and ? (§25.1)",
           start=b"MESSAGE sip:bob;day=tue?x@example.test SIP/2.0"),
    vector("uri_headers", "headers have no place in a Request-URI (§19.1.1)",
           start=b"MESSAGE sip:bob@example.test?Route=x SIP/2.0"),
    vector("uri_bad_escape", "% needs two hex digits (§25.1)", 400,
           start=b"MESSAGE sip:b%4@example.test SIP/2.0"),
    vector("uri_port_0", "65535 at most, and not 0", 400, start=b"MESSAGE sip:bob@example.test:0 SIP/2.0"),
    vector("uri_port_65536", "65535 at most", 400, start=b"MESSAGE sip:bob@example.test:65536 SIP/2.0"),
    vector("uri_sips", "sip and sips are one mailbox (RFC 5630 §5.2)",
           start=b"MESSAGE sips:bob@example.test SIP/2.0"),
    vector("uri_http", "not ours to understand (§21.4.14)", 416,
           start=b"MESSAGE http://bob@example.test SIP/2.0"),
    vector("uri_foreign", "no open relay", 403, start=b"MESSAGE sip:bob@elsewhere.test SIP/2.0"),
    vector("uri_bad_ipv6", "brackets that hold no address (RFC 5118)", 400,
           start=b"MESSAGE sip:bob@[1:2] SIP/2.0"),
)  # fmt: skip

NUMBERS: Final = (
    vector("cseq_max", "below 2**32", cseq=b"CSeq: 4294967295 MESSAGE"),
    vector("cseq_over", "2**32 needs more than 32 bits", 400, cseq=b"CSeq: 4294967296 MESSAGE"),
    vector("cseq_long", "five thousand digits", 400, cseq=b"CSeq: %b MESSAGE" % (b"9" * 5000)),
    vector("cseq_method", "not the method of the request (§8.1.1.5)", 400, cseq=b"CSeq: 1 INVITE"),
    vector("cseq_signed", "digits and nothing else (§25.1)", 400, cseq=b"CSeq: +1 MESSAGE"),
    vector("cseq_underscore", "digits, not Python's (§25.1)", 400, cseq=b"CSeq: 1_0 MESSAGE"),
    vector("cseq_arabic", "digits, not Unicode's (§25.1)", 400, cseq="CSeq: ١ MESSAGE".encode()),
    vector("cseq_spaces", "white space between (§25.1)", cseq=b"CSeq:   7    MESSAGE  "),
    vector("mf_zero", "no hop left (§16.3 step 3)", 483, max_forwards=b"Max-Forwards: 0"),
    vector("mf_negative", "no number (§20.22)", 400, max_forwards=b"Max-Forwards: -1"),
    vector("mf_256", "255 at most (§20.22)", 400, max_forwards=b"Max-Forwards: 256"),
    vector("expires_0", "worth nothing later (RFC 3428 §7)", 480, b"Expires: 0"),
    vector("expires_junk", "unreadable is none (§20.19)", 202, b"Expires: soon"),
    vector("expires_huge", "more than 32 bits is unreadable", 202, b"Expires: 99999999999999999999"),
    vector("expired_date", "its life ended before it came (RFC 3428 §7)", 202, b"Expires: 1",
           b"Date: Mon, 01 Jan 2001 00:00:00 GMT")._replace(
               why="a Date of years ago is a wrong clock, so life counts from now"),
    vector("date_not_gmt", "only GMT is a Date (§20.17)", 202, b"Date: Sat, 01 Jan 2050 00:00:00 EST"),
)  # fmt: skip

VIAS: Final = (
    vector("via_spaces", "white space around / and : (§20.42)",
           via=b"Via: SIP / 2.0 / UDP  127.0.0.1 : 5071 ; rport ; branch = z9hG4bKviaspaces"),
    vector("via_list", "two in one line (§7.3.1)",
           via=b"Via: SIP/2.0/UDP 127.0.0.1;rport;branch=z9hG4bKvialist, SIP/2.0/TCP 192.0.2.9;branch=z9hG4bKother"),
    vector("via_ipv6", "brackets (RFC 5118)",
           via=b"Via: SIP/2.0/UDP [2001:db8::9]:5071;rport;branch=z9hG4bKviaipv6"),
    vector("via_sctp", "any transport below us (§25.1)", 202,
           via=b"Via: SIP/2.0/UDP 127.0.0.1;rport;branch=z9hG4bKsctp\r\nVia: SIP/2.0/SCTP 192.0.2.9;branch=z9hG4bKx"),
    vector("via_no_branch", "RFC 2543 had none (§17.2.3)", via=b"Via: SIP/2.0/UDP 127.0.0.1:5071;rport"),
    vector("via_port_99999", "nowhere to answer to", 400,
           via=b"Via: SIP/2.0/UDP 127.0.0.1:99999;rport;branch=z9hG4bKvp")._replace(
        udp=NOTHING, stream=NOTHING),
    vector("via_quoted_comma", "a comma inside quotes (§7.3.1)",
           via=b'Via: SIP/2.0/UDP 127.0.0.1;x="a,b";rport;branch=z9hG4bKviaquoted'),
)  # fmt: skip
