"""Doorway: a daemon with two users on the virtual network, and requests from any address.

Bytes are passed to the receiver as by a listener, and the daemon's bytes are taken from the transports.
"""

from msilod.config import Config
from msilod.sip.flow import Flow
from msilod.sip.message import Response
from msilod.sip.parser import parse
from tests.credentials import answer_of
from tests.faults.peer import PASSWORD, lock
from tests.network.world import DOMAIN, World, configured

Place = tuple[str, int]
HOME: Place = ("198.51.100.1", 5060)


class Doorway:
    """Passes requests to a daemon. `serial` numbers the requests, so each has an own branch."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.server = world.parts
        self.serial = 0
        lock(world, "alice", "bob")

    def request(
        self,
        method: str,
        uri: str = f"sip:{DOMAIN}",
        user: str = "alice",
        via: str = "",
        more: str = "",
        body: str = "",
    ) -> bytes:
        """A request with `user` in From and To. `via`: on top of the client's Via. `more`: whole lines."""
        self.serial += 1
        return (
            f"{method} {uri} SIP/2.0\r\n{via}Via: SIP/2.0/UDP client.example;branch=z9hG4bK{self.serial};rport\r\n"
            f"Max-Forwards: 70\r\nFrom: <sip:{user}@{DOMAIN}>;tag=1\r\nTo: <sip:{user}@{DOMAIN}>\r\n"
            f"Call-ID: c{self.serial}\r\nCSeq: 1 {method}\r\nContact: <sip:{user}@198.51.100.1>\r\n{more}"
            f"Content-Length: {len(body)}\r\n\r\n{body}"
        ).encode()

    def say(self, data: bytes, source: Place = HOME) -> list[Response]:
        """Pass `data` from `source` to the daemon. Returns the responses, without the daemon's requests."""
        transports = self.world.transports
        transports._unsent.clear()
        self.server.receiver.receive(data, Flow(transports.udp_endpoint, *source))
        sent = [parse(answer) for answer, _ in transports._unsent]
        transports._unsent.clear()
        return [answer for answer in sent if isinstance(answer, Response)]

    def status(self, data: bytes, source: Place = HOME) -> int:
        """The status of the only response, 0 without one."""
        answers = self.say(data, source)
        assert len(answers) < 2
        return answers[0].status if answers else 0

    def credentials(self, challenge: Response, password: str = PASSWORD, user: str = "alice") -> str:
        """The header line with credentials for the MD5 challenge of a REGISTER."""
        return answer_of(challenge, "REGISTER", f"sip:{DOMAIN}", user, password) + "\r\n"

    def register(self, source: Place = HOME, via: str = "", password: str = PASSWORD) -> int:
        """Send a REGISTER, and again with credentials after a challenge. Returns the last status."""
        (first,) = self.say(self.request("REGISTER", via=via), source)
        if first.status != 401:
            return first.status
        line = self.credentials(first, password)
        answers = self.say(self.request("REGISTER", via=via, more=line), source)
        # No response yet: the password was right, and the new binding is being committed.
        return answers[0].status if answers else 200


def with_auth(**keys: object) -> Config:
    """A configuration with MD5 and the given keys of [auth]."""
    return configured(auth={"algorithms": ["MD5"], **keys})
