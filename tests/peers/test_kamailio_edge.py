"""Kamailio as an edge proxy with its path module: all users come from its address, with passwords and `[auth] edges`.

The configuration is the default one but for `edges` and `limit_loopback`, without which loopback has no limits. Each
phone has an address of its own, as phones at different places have.
"""

import json
from collections.abc import Callable, Sequence

import pytest

from msilod.auth.throttle import FREE_PAIR, FREE_SOURCE
from msilod.sip.message import Response
from tests.calls.caller import Caller, Dialog, header, values
from tests.peers.test_kamailio import Kamailio, Phones, Start, kamailio, phones
from tests.scenarios.account import Account, add_user
from tests.scenarios.conftest import Daemon

__all__ = ["kamailio", "phones"]

pytestmark = pytest.mark.peer

EDGES = '[auth]\nedges = ["127.0.0.1"]\nlimit_loopback = true\n'
WITHOUT_EDGES = "[auth]\nlimit_loopback = true\n"
BOB = "sip:bob@example.test"


class House:
    """A daemon with the users alice, bob and carol, an edge in front of it, and phones at addresses of their own."""

    def __init__(self, daemon: Daemon, start: Start, phones: Phones, options: Sequence[str] = ()) -> None:
        self.daemon = daemon
        self.start = start
        self.phones = phones
        self.edge: Kamailio = start(daemon.port, options)
        self.hosts = iter(range(11, 250))
        for user in ("alice", "bob", "carol"):
            add_user(daemon, user)

    def behind(self, user: str, password: str = "secret", has_qop: bool = True) -> "Line":
        """A phone of `user` that knows the edge alone."""
        return self._line(user, self.edge.port, password, has_qop)

    def direct(self, user: str) -> "Line":
        """A phone of `user` that talks to the daemon itself."""
        return self._line(user, self.daemon.port, "secret", True)

    def _line(self, user: str, port: int, password: str, has_qop: bool) -> "Line":
        caller = self.phones(user, port, f"127.0.0.{next(self.hosts)}")
        return Line(caller, password, has_qop=has_qop)

    def contacts(self, user: str) -> list[str]:
        """The bound contacts of a user, sorted."""
        done = self.daemon.msilo("bindings", "--json")
        assert done.returncode == 0, done.stderr
        rows = [json.loads(line) for line in done.stdout.splitlines()]
        return sorted(row["contact"] for row in rows if row["aor"] == f"sip:{user}@example.test")


class Line(Account):
    """An account whose phone can call."""

    @property
    def caller(self) -> Caller:
        assert isinstance(self.phone, Caller)
        return self.phone

    def on(self, expires: int = 600) -> "Line":
        """Registered."""
        assert self.register(expires).status == 200
        return self

    def call(self, uri: str) -> bytes:
        """An INVITE that answers its challenge; returns the one with credentials."""
        first = self.caller.invite(uri)
        self.caller.send(first)
        challenge = self.caller.final(first)
        assert challenge.status == 407
        self.hear(challenge)
        sent = self.caller.invite(uri, self.field("INVITE", uri, "Proxy-Authorization"))
        self.caller.send(sent)
        return sent

    def send_text(self, user: str, text: str, as_user: str = "") -> None:
        """A MESSAGE with credentials for the challenge that was heard last; `as_user` is another name in From."""
        uri = f"sip:{user}@example.test"
        data = self.phone.message(user, text, self.field("MESSAGE", uri, "Proxy-Authorization"))
        own = b'From: "%b" <sip:%b@' % (self.phone.user.title().encode(), self.phone.user.encode())
        self.phone.send(data.replace(own, b"From: <sip:%b@" % as_user.encode()) if as_user else data)

    def hears(self, status: int) -> Response:
        """The first answer of that status; provisional ones before it are passed over."""
        while (answer := self.caller.response()).status != status:
            assert answer.status < 200, answer
        return answer


@pytest.fixture
def house(start_daemon: Callable[..., Daemon], kamailio: Start, phones: Phones) -> House:
    """With `edges`."""
    return House(start_daemon(EDGES), kamailio, phones)


def hang_up(one: Dialog, other: Caller) -> None:
    """A BYE of one side, which the other side answers."""
    one.send(b"BYE")
    other.answer(other.request(b"BYE"))
    while (ended := one.phone.response()).status < 200:
        pass
    assert ended.status == 200


@pytest.mark.parametrize("has_qop", [True, False])
def test_what_waited_comes_through_the_edge_after_a_password(house: House, has_qop: bool) -> None:
    """Also with digest in the form of RFC 2069, whose nonce is bound to the client behind the edge."""
    alice, bob = house.direct("alice"), house.behind("bob", has_qop=has_qop)
    assert alice.text("bob", "for later").status == 202
    assert bob.phone.register().status == 401
    answer = bob.register()
    assert answer.status == 200
    assert b"127.0.0.1:%d;lr" % house.edge.port in header(answer, b"path")
    kept = bob.phone.take()
    assert kept.body == b"for later"
    assert len(values(kept, b"via")) == 2, "the daemon's, and Kamailio's"
    assert bob.register().status == 200, "a refresh, of a nonce that was used before in the form of RFC 2069"
    assert house.contacts("bob") == [bob.phone.contact]


def test_a_wrong_password_is_refused_and_binds_nothing(house: House) -> None:
    for _ in range(FREE_PAIR):
        assert house.behind("bob", "wrong").register().status == 401
    assert house.contacts("bob") == []


def test_two_users_behind_the_edge_text_each_other(house: House) -> None:
    alice, bob = house.behind("alice").on(), house.behind("bob").on()
    assert alice.phone.text("bob", "the address of the edge proves nobody").status == 407
    alice.send_text("bob", "hello")
    got = bob.phone.take()
    assert (got.body, len(values(got, b"via"))) == (b"hello", 4)
    assert alice.phone.response().status == 200
    assert bob.phone.is_silent()


def test_no_user_behind_the_edge_writes_in_the_name_of_another(house: House) -> None:
    house.behind("alice").on()
    carol = house.behind("carol").on()
    carol.send_text("bob", "by alice", as_user="alice")
    assert carol.phone.response().status == 403
    assert house.daemon.rows() == []


def test_two_phones_of_one_user_behind_one_edge_each_get_a_copy(house: House) -> None:
    """Security 9: different contacts behind one Path are different phones, from the first message on."""
    bobs = [house.behind("bob").on(), house.behind("bob").on()]
    alice = house.behind("alice").on()
    assert len(house.contacts("bob")) == 2
    for body in ("one", "two"):
        alice.send_text("bob", body)
        requests = [bob.phone.request() for bob in bobs]
        for bob, request in zip(bobs, requests, strict=True):
            assert request.body == body.encode()
            bob.phone.answer(request)
        assert alice.phone.response().status == 200


def test_a_call_between_two_phones_behind_the_edge(house: House) -> None:
    """Both Record-Routes are in the route set, twice the edge's; either side ends the call without a password."""
    for is_ended_by_caller in (True, False):
        alice, bob = house.behind("alice").on(), house.behind("bob").on()
        alice.call(BOB)
        invite = bob.caller.request(b"INVITE")
        assert len(values(invite, b"record-route")) >= 3
        bob.caller.ring(invite)
        alice.hears(180)
        bob.caller.accept(invite)
        caller, callee = alice.caller.as_caller(alice.hears(200)), bob.caller.as_callee(invite)
        caller.send(b"ACK", cseq=1)
        assert bob.caller.request(b"ACK").cseq == 1
        if is_ended_by_caller:
            hang_up(caller, bob.caller)
        else:
            hang_up(callee, alice.caller)
        assert bob.register(0).status == 200


def test_a_fork_to_two_phones_behind_the_edge_cancels_the_loser(house: House) -> None:
    winner, loser = house.behind("bob").on(), house.behind("bob").on()
    alice = house.behind("alice").on()
    alice.call(BOB)
    invites = [one.caller.request(b"INVITE") for one in (winner, loser)]
    winner.caller.ring(invites[0])
    alice.hears(180)
    loser.caller.ring(invites[1])
    alice.hears(180)
    winner.caller.accept(invites[0])
    loser.caller.answer(loser.caller.request(b"CANCEL"))
    loser.caller.answer(invites[1], 487)
    assert loser.caller.request(b"ACK").cseq == invites[1].cseq
    call = alice.caller.as_caller(alice.hears(200))
    call.send(b"ACK", cseq=1)
    assert winner.caller.request(b"ACK").cseq == 1
    hang_up(call, winner.caller)


def test_a_phone_that_leaves_the_edge_is_reached_directly(house: House) -> None:
    """The same contact, now without Path: the newest REGISTER counts, and the edge is asked no more."""
    bob = house.behind("bob").on()
    bob.phone.server = house.daemon.address
    bob.on()
    assert house.contacts("bob") == [bob.phone.contact]
    house.edge.stop()
    alice = house.direct("alice").on()
    alice.send_text("bob", "hello")
    got = bob.phone.take()
    assert (got.body, len(values(got, b"via"))) == (b"hello", 2)
    assert alice.phone.response().status == 200


def test_a_phone_that_moves_behind_the_edge_is_reached_through_it(house: House) -> None:
    bob, alice = house.direct("bob").on(), house.direct("alice").on()
    bob.phone.server = ("127.0.0.1", house.edge.port)
    bob.on()
    alice.send_text("bob", "hello")
    assert len(values(bob.phone.take(), b"via")) == 3
    assert alice.phone.response().status == 200


def test_after_its_removal_a_phone_gets_nothing_more(house: House) -> None:
    bob, alice = house.behind("bob").on(), house.behind("alice").on()
    assert bob.register(0).status == 200
    assert house.contacts("bob") == []
    alice.send_text("bob", "later")
    assert alice.phone.response().status == 202
    assert bob.phone.is_silent()
    bob.on()
    assert bob.phone.take().body == b"later"


def test_a_phone_is_reached_after_a_restart_of_the_edge(house: House) -> None:
    """Over UDP the edge keeps nothing of its phones: the Path leads to them without a new REGISTER."""
    bob, alice = house.behind("bob").on(), house.direct("alice").on()
    house.edge.stop()
    house.start(house.daemon.port, port=house.edge.port)
    alice.send_text("bob", "hello")
    assert bob.phone.take().body == b"hello"
    assert alice.phone.response().status == 200


@pytest.mark.parametrize("options", [["WITH_RECEIVED"], ["WITH_RECEIVED", "WITH_TCP"]])
def test_a_phone_behind_nat_is_reached_by_the_received_of_its_path(
    start_daemon: Callable[..., Daemon], kamailio: Start, phones: Phones, options: list[str]
) -> None:
    """Its Contact leads nowhere, but the edge has written where the REGISTER came from; over TCP from the edge too."""
    house = House(start_daemon(EDGES), kamailio, phones, options)
    bob, alice = house.behind("bob"), house.behind("alice").on()
    bob.contact = "<sip:bob@10.99.0.1:5060>"
    assert bob.on().contact
    alice.send_text("bob", "hello")
    got = bob.phone.take()
    assert (got.body, got.uri) == (b"hello", b"sip:bob@10.99.0.1:5060")
    is_tcp = "WITH_TCP" in options
    assert any(via.startswith(b"SIP/2.0/TCP") for via in values(got, b"via")) is is_tcp
    assert alice.phone.response().status == 200


def guess(phone: Line) -> Response:
    """The answer to a wrong password in a new nonce, or to the REGISTER before it when it is no challenge."""
    challenge = phone.phone.register()
    if challenge.status != 401:
        return challenge
    phone.hear(challenge)
    return phone.phone.register(extra=phone.field("REGISTER", "sip:example.test"))


def test_one_phone_with_a_wrong_password_is_slowed_alone(house: House) -> None:
    """The phone is told when to try again: Kamailio passes on a 500 as it is, but makes its own of a 503."""
    bob, _, mallory = house.behind("bob").on(), house.behind("alice").on(), house.behind("alice", "wrong")
    answers = [guess(mallory) for _ in range(FREE_PAIR + 3)]
    assert [answer.status for answer in answers[:FREE_PAIR]] == [401] * FREE_PAIR
    assert answers[-1].status == 500
    assert int(header(answers[-1], b"retry-after")) > 0
    for user in ("bob", "carol", "alice"):
        house.behind(user).on()
    assert bob.register().status == 200


def test_one_phone_that_guesses_at_all_users_is_slowed_alone(house: House) -> None:
    mallory = house.behind("nobody", "wrong")
    statuses = []
    for number in range(FREE_SOURCE + 3):
        mallory.phone.user = f"nobody{number}"
        statuses.append(guess(mallory).status)
    assert (statuses[0], statuses[-1]) == (401, 500)
    house.behind("carol").on()


def test_without_edges_the_limits_count_the_edge(
    start_daemon: Callable[..., Daemon], kamailio: Start, phones: Phones
) -> None:
    """That is what `edges` is for: all phones wait for the one that guesses."""
    house = House(start_daemon(WITHOUT_EDGES), kamailio, phones)
    mallory = house.behind("nobody", "wrong")
    for number in range(FREE_SOURCE + 3):
        mallory.phone.user = f"nobody{number}"
        slowed = guess(mallory)
    assert slowed.status == 500, "Kamailio's word for our 503"
    assert slowed.headers.get(b"retry-after") is None
    assert house.behind("carol").register().status == 500
