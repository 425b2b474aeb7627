"""Found: one user took all look-ups of names at once, and no other user reached a foreign domain or a named contact."""

from collections.abc import Callable
from pathlib import Path

import pytest
import trio

from msilod.auth.trust import Trust
from msilod.dns.records import Address, Answer, Srv
from msilod.dns.resolver import MAX_ASKED_OF_PARTY
from msilod.reaching.paths import MAX_DIALS_OF_PARTY
from msilod.reaching.places import MAX_OPEN_OF_AOR, Places
from msilod.registrar.binding import Binding
from msilod.sip.flow import UDP, Endpoint, Flow
from msilod.sip.message import Request, Response
from msilod.sip.parser import parse
from tests.credentials import credentials, secret_of, with_md5
from tests.faults.peer import PASSWORD, Peer, lock
from tests.network.ladder import Address as At
from tests.network.world import DOMAIN, SERVER, World, configured, play

ALICE, MALLORY, CAROL = ("198.51.100.1", 5060), ("198.51.100.2", 5060), ("8.8.8.8", 5060)
MANY = 300


class Dns:
    """good.test is carol's place; no other name is ever answered. `most` names were asked for at one time."""

    def __init__(self) -> None:
        self.asked: set[tuple[str, str]] = set()
        self.most = 0

    async def __call__(self, name: str, kind: str) -> Answer:
        if name == "good.test":
            return Answer((Address(name, "A", CAROL[0]),) if kind == "A" else (), 60)
        if name.endswith((".good.test", "eight.test")):
            is_srv = name.startswith("_sip._udp.")
            servers = tuple(Srv(name, 0, 0, 5060, f"s{n}.{name[11:-5]}.dead.test") for n in range(8))
            return Answer(servers if is_srv and name.endswith("eight.test") else (), 60)
        self.asked.add((name, kind))
        self.most = max(self.most, len(self.asked))
        try:
            await trio.sleep_forever()
        finally:
            self.asked.discard((name, kind))
        raise AssertionError


class Flooder:
    """mallory sends many requests at once, each with the password where one is asked for."""

    def __init__(self, world: World, has_password: bool) -> None:
        self.peer = Peer(world, "mallory", MALLORY)
        self.has_password = has_password
        self.count = 0

    async def flood(self, uri: Callable[[int], str], extra: Callable[[int], str] = lambda n: "") -> None:
        peer = self.peer
        challenge: dict[str, str] = {}
        if self.has_password:
            challenge = with_md5(await peer.answer_to(peer.request("MESSAGE", uri(0), extra=extra(0))))
        for number in range(MANY):
            line = ""
            if challenge:
                secret = secret_of(challenge, "mallory", PASSWORD)
                value = credentials(challenge, "MESSAGE", uri(number), "mallory", secret, count=number + 1)
                line = f"Proxy-Authorization: {value}\r\n"
            peer.send(peer.request("MESSAGE", uri(number), extra=extra(number) + line))
        # NAPTR questions end after 1.2 s without an answer.
        await trio.sleep(0.6)


def carol(world: World) -> list[Request]:
    """A phone that accepts all requests to good.test."""
    came: list[Request] = []

    def hear(data: bytes, source: At) -> None:
        message = parse(data)
        assert isinstance(message, Request)
        came.append(message)
        fields = [
            text for name, text in message.headers.fields if name in (b"via", b"from", b"call-id", b"cseq")
        ]
        to = b"To: " + (message.headers.get(b"to") or b"") + b";tag=c"
        answer = b"\r\n".join([b"SIP/2.0 200 OK", *fields, to, b"Content-Length: 0", b"", b""])
        world.wires.datagram(CAROL, SERVER, answer)

    world.wires.bind(CAROL, hear)
    return came


def with_dns(world: World) -> Dns:
    dns = Dns()
    world.parts.paths.resolver._ask = dns
    return dns


def dead(number: int) -> str:
    return f"sip:x@n{number}.dead.test"


WAYS: dict[str, tuple[Callable[[int], str], Callable[[int], str]]] = {
    "Request-URI": (dead, lambda n: ""),
    "Route": (lambda n: "sip:x@there.test", lambda n: f"Route: <sip:n{n}.dead.test;lr>\r\n"),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("has_users", [True, False])
def test_a_sender_to_dead_names_takes_a_share(tmp_path: Path, way: str, has_users: bool) -> None:
    """Without users the share belongs to the source."""

    async def story(world: World) -> None:
        dns, came = with_dns(world), carol(world)
        if has_users:
            lock(world, "alice", "mallory")
        alice = Peer(world, "alice", ALICE)
        await Flooder(world, has_users).flood(*WAYS[way])
        assert dns.most <= MAX_ASKED_OF_PARTY
        assert world.parts.paths.dials <= MAX_DIALS_OF_PARTY
        answer = await alice.ask(alice.request("MESSAGE", "sip:carol@good.test"))
        assert (answer.status, len(came)) == (200, 1)
        await trio.sleep(60)
        assert world.parts.paths.dials == 0
        assert len(world.parts.paths._shares) == len(world.parts.paths.resolver._shares) == 0

    play(tmp_path, story, config=configured(proxy={"relay": "users" if has_users else "anybody"}))


def test_a_user_with_contacts_behind_dead_names_takes_a_share(tmp_path: Path) -> None:
    """Each Path names a domain with eight servers, and the addresses of the servers are not answered for."""

    async def story(world: World) -> None:
        dns, came = with_dns(world), carol(world)
        lock(world, "alice", "bob", "mallory")
        alice, mallory = Peer(world, "alice", ALICE), Peer(world, "mallory", MALLORY)
        bob = Peer(world, "bob", ("198.51.100.3", 5060))
        for number in range(9):
            mallory.contact = f"sip:m{number}@192.0.2.9"
            path = f"Supported: path\r\nPath: <sip:n{number}.eight.test;lr>\r\n"
            assert (await mallory.register(path)).status == 200
        answers: list[Response] = []

        async def ask() -> None:
            answers.append(await alice.ask(alice.request("MESSAGE", mallory.aor)))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask)
            await trio.sleep(0.6)
            assert 16 < dns.most <= MAX_ASKED_OF_PARTY
            answer = await bob.ask(bob.request("OPTIONS", "sip:carol@good.test"))
            assert (answer.status, len(came)) == (200, 1)
        assert [one.status for one in answers] == [202]

    play(tmp_path, story)


def test_a_redirection_is_booked_on_the_user_who_redirects(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        dns, came = with_dns(world), carol(world)
        lock(world, "alice", "mallory")
        alice, mallory = Peer(world, "alice", ALICE), Peer(world, "mallory", MALLORY)
        for peer in (alice, mallory):
            assert (await peer.register()).status == 200
        numbers = iter(range(1000))

        def redirect(request: Request) -> None:
            contacts = tuple((b"Contact", f"<{dead(next(numbers))}>".encode()) for _ in range(9))
            mallory.answer(request, 302, contacts)

        mallory.on_request = redirect
        challenge = with_md5(await alice.answer_to(alice.request("OPTIONS", mallory.aor)))
        secret = secret_of(challenge, "alice", PASSWORD)
        for count in range(1, 41):
            value = credentials(challenge, "OPTIONS", mallory.aor, "alice", secret, count=count)
            alice.send(alice.request("OPTIONS", mallory.aor, extra=f"Proxy-Authorization: {value}\r\n"))
        await trio.sleep(0.6)
        assert 0 < dns.most <= MAX_ASKED_OF_PARTY
        assert 0 < world.parts.paths.dials <= MAX_DIALS_OF_PARTY
        # Alice has the whole share of Alice.
        answer: Response = await alice.ask(alice.request("MESSAGE", "sip:carol@good.test"))
        assert (answer.status, len(came)) == (200, 1)

    play(tmp_path, story, config=configured(proxy={"relay": "anybody"}))


def test_places_that_have_not_answered_are_shared(tmp_path: Path) -> None:
    """A user registers one place after the other, and sends a MESSAGE to each place."""
    endpoint = Endpoint(UDP, "192.0.2.1", 5060, b"SIP/2.0/UDP 192.0.2.1:5060")
    places, owner = Places(Trust()), _Owner()

    def to(user: str, port: int) -> tuple[Binding, Flow]:
        return Binding(f"{user}@{DOMAIN}", f"sip:{user}@9.9.9.9", "c", 1, 9e9, 0.0), Flow(
            endpoint, "9.9.9.9", port
        )

    for port in range(MAX_OPEN_OF_AOR):
        assert places.may_ask(*to("mallory", port + 1), 100.0)
        places.watched(owner, *to("mallory", port + 1), 100.0)
    assert not places.may_ask(*to("mallory", 5000), 100.0)
    assert places.may_ask(*to("bob", 5000), 100.0)
    places.unanswered(("9.9.9.9", 1))
    assert places.may_ask(*to("mallory", 5000), 100.0)
    places.watched(owner, *to("mallory", 5000), 100.0)
    assert not places.may_ask(*to("mallory", 5001), 100.5)
    # All have ended long ago, and nobody was told.
    assert places.may_ask(*to("mallory", 5001), 1000.0)


class _Owner:
    def on_response(self, *_: object) -> None:
        """Not called."""

    on_limit = on_timeout = on_transport_error = on_response
