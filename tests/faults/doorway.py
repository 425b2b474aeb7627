"""A daemon with two users on the virtual network, and requests that come to it from any address.

Bytes go into `Server.receive` as a listener would give them, and what the daemon sends is taken from its transports.
"""

from hashlib import md5
from re import search

from msilod.config import Config
from msilod.sip.digest import ha1
from msilod.sip.flow import Flow
from msilod.sip.message import Response
from msilod.sip.parser import parse
from tests.network.world import DOMAIN, World, configured

Place = tuple[str, int]
HOME: Place = ("198.51.100.1", 5060)
PASSWORD = "secret"


class Doorway:
    """`serial` numbers the requests, so that no two share a branch."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.server = world.server
        self.serial = 0
        users = self.server.gate.users
        for user in ("alice", "bob"):
            secret = ha1(b"MD5", user.encode(), DOMAIN.encode(), PASSWORD.encode())
            users.put(f"{user}@{DOMAIN}", [(b"MD5", secret)])
        users.existed = users.is_readable = True
        self.server.gate.refresh()

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
        self.server.receive(data, Flow(transports.udp_endpoint, *source))
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
        value = challenge.headers.get(b"www-authenticate") or b""
        found = search(rb'nonce="([^"]*)"', value)
        assert found is not None
        nonce = found[1].decode()

        def hashed(text: str) -> str:
            return md5(text.encode(), usedforsecurity=False).hexdigest()

        secret, asked = hashed(f"{user}:{DOMAIN}:{password}"), hashed(f"REGISTER:sip:{DOMAIN}")
        response = hashed(f"{secret}:{nonce}:00000001:c:auth:{asked}")
        return (
            f'Authorization: Digest username="{user}", realm="{DOMAIN}", nonce="{nonce}", uri="sip:{DOMAIN}", '
            f'response="{response}", algorithm=MD5, cnonce="c", qop=auth, nc=00000001\r\n'
        )

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
