"""A daemon with two users on the virtual network, and requests that come to it from any address.

Bytes go into `Server.receive` as a listener would give them, and what the daemon sends is taken from its transports.
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
    """`serial` numbers the requests, so that no two share a branch."""

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
        """A request of `user` to himself; `via` stands on top of the client's own Via, `more` are whole lines."""
        self.serial += 1
        return (
            f"{method} {uri} SIP/2.0\r\n{via}Via: SIP/2.0/UDP client.example;branch=z9hG4bK{self.serial};rport\r\n"
            f"Max-Forwards: 70\r\nFrom: <sip:{user}@{DOMAIN}>;tag=1\r\nTo: <sip:{user}@{DOMAIN}>\r\n"
            f"Call-ID: c{self.serial}\r\nCSeq: 1 {method}\r\nContact: <sip:{user}@198.51.100.1>\r\n{more}"
            f"Content-Length: {len(body)}\r\n\r\n{body}"
        ).encode()

    def say(self, data: bytes, source: Place = HOME) -> list[Response]:
        """What the daemon sends when `data` comes from `source`; the daemon's requests are left out."""
        transports = self.world.transports
        transports._unsent.clear()
        self.server.receiver.receive(data, Flow(transports.udp_endpoint, *source))
        sent = [parse(answer) for answer, _ in transports._unsent]
        transports._unsent.clear()
        return [answer for answer in sent if isinstance(answer, Response)]

    def status(self, data: bytes, source: Place = HOME) -> int:
        """The status of the only answer, 0 for none."""
        answers = self.say(data, source)
        assert len(answers) < 2
        return answers[0].status if answers else 0

    def credentials(self, challenge: Response, password: str = PASSWORD, user: str = "alice") -> str:
        """The line that answers the MD5 challenge of a REGISTER."""
        return answer_of(challenge, "REGISTER", f"sip:{DOMAIN}", user, password) + "\r\n"

    def register(self, source: Place = HOME, via: str = "", password: str = PASSWORD) -> int:
        """The status after one challenge has been answered, or that of the first answer when it is none."""
        (first,) = self.say(self.request("REGISTER", via=via), source)
        if first.status != 401:
            return first.status
        line = self.credentials(first, password)
        answers = self.say(self.request("REGISTER", via=via, more=line), source)
        # Without an answer a new binding is being committed: the password was right.
        return answers[0].status if answers else 200


def with_auth(**keys: object) -> Config:
    """A configuration with MD5 and these keys of [auth]."""
    return configured(auth={"algorithms": ["MD5"], **keys})
