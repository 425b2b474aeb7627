"""The benchmark of an edge: its phones obey the answers, its figures add up, and a few phones register soon."""

import re
import socket
from collections.abc import Iterator

import pytest

from tests.bench import edge
from tests.bench.edge import HEADER, WANTED, Edge, Phone, Round, value


def answer(request: str, status: int, more: str = "") -> bytes:
    """An answer with the status, and the fields by which the edge finds the phone."""
    return (
        f"SIP/2.0 {status} Any\r\nCall-ID: {value(request, 'Call-ID')}\r\nCSeq: {value(request, 'CSeq')}\r\n{more}\r\n"
    ).encode()


@pytest.fixture
def server() -> Iterator[socket.socket]:
    """A socket in the place of the daemon."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
        made.bind(("127.0.0.1", 0))
        made.settimeout(10)
        yield made


def test_a_phone_answers_its_challenge_and_obeys_retry_after(server: socket.socket) -> None:
    one, played = Edge(server.getsockname(), 1), Round("first", 1)
    phone = one._phones[0]
    phone.begin("first")
    one._ask(phone)
    first = server.recv(9999).decode()
    assert "Authorization" not in first
    assert first.count("Via: ") == 2
    assert "received=100.0.0.0" in first
    one._take(answer(first, 401, 'WWW-Authenticate: Digest realm="r", nonce="n1"\r\n').decode(), played)
    second = server.recv(9999).decode()
    assert 'nonce="n1"' in second
    one._take(answer(first, 200).decode(), played)
    assert not phone.is_in, "an answer to the request before"
    one._due = []
    one._take(answer(second, 500, "Retry-After: 7\r\n").decode(), played)
    ((_, number, cseq, interval),) = one._due
    assert (number, cseq, interval) == (0, phone.cseq, 0.0)
    one._ask(phone)
    third = server.recv(9999).decode()
    one._take(answer(third, 200).decode(), played)
    one._take(answer(third, 200).decode(), played)
    assert phone.is_in
    assert (len(played.times), played.heard) == (1, {"401": 1, "500": 1, "200": 1})
    one.close()


def test_an_unanswered_request_is_sent_again_and_an_answered_one_is_not(server: socket.socket) -> None:
    one, played = Edge(server.getsockname(), 1), Round("first", 1)
    phone = one._phones[0]
    phone.begin("first")
    one._ask(phone)
    sent = server.recv(9999)
    one._due = [(0.0, 0, phone.cseq, edge.T1)]
    one._send_due(played)
    assert (server.recv(9999), played.again) == (sent, 1)
    assert [entry[3] for entry in one._due] == [2 * edge.T1]
    one._take(answer(sent.decode(), 200).decode(), played)
    one._due = [(0.0, 0, phone.cseq, edge.T1)]
    one._send_due(played)
    assert (one._due, played.again) == ([], 1)
    one.close()


def test_a_round_is_good_when_all_phones_register_in_time() -> None:
    assert Round("first", 2, [1.0, WANTED]).is_good
    late, missing = Round("first", 2, [1.0, WANTED + 1]), Round("first", 2, [1.0])
    assert not late.is_good
    assert not missing.is_good
    assert "MISSED: 1 of 2 are in" in missing.line()
    assert re.search(r"^again +1\.0 +31\.0 +31\.0 ", Round("again", 2, [1.0, WANTED + 1]).line())


def test_no_two_phones_share_an_address() -> None:
    addresses = {re.search(rb"received=([\d.]+)", Phone(number).ask(5060)) for number in range(1000)}
    assert len({found[1] for found in addresses if found}) == 1000


def test_a_few_phones_register(capsys: pytest.CaptureFixture[str]) -> None:
    edge.main(["--phones", "20"])
    told = capsys.readouterr().out
    assert told.startswith(HEADER)
    assert len(re.findall(r"200: 20, 401: 20", told)) == 2, told
