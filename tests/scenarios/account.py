"""A phone with a password: answers challenges as real clients do, and remembers the nonce for its next requests.

Rule: the sums are made here with hashlib alone, so that a fault of ours is not on both sides.
"""

import hashlib
import re
from dataclasses import dataclass, field

from msilod.control import ControlClient
from msilod.sip.message import Response
from msilod.store.users import UserRow, UserTable
from tests.scenarios.conftest import Daemon
from tests.scenarios.phone import Phone

HASHES = {"MD5": hashlib.md5, "SHA-256": hashlib.sha256}
FIELDS = {401: ("www-authenticate", "Authorization"), 407: ("proxy-authenticate", "Proxy-Authorization")}


def challenges(response: Response) -> list[dict[str, str]]:
    """The challenges of a 401 or 407, in order."""
    name = FIELDS[response.status][0].encode()
    found = []
    for value in response.headers.get_all(name):
        pairs = re.findall(r'(\w+)=("[^"]*"|[^\s,]+)', value.decode().removeprefix("Digest "))
        found.append({key: text.strip('"') for key, text in pairs})
    return found


@dataclass
class Account:
    """Name and password of a phone; `algorithm` is the one it can do, `name` what it calls itself.

    `hashed_name` is the name that it computes with, the same by default. Without `has_qop` it answers in the form of
    RFC 2069; `stray` is what it adds to that. `contact` is a Contact value other than the phone's own.
    """

    phone: Phone
    password: str
    algorithm: str = "MD5"
    name: str = ""
    hashed_name: str = ""
    has_qop: bool = True
    stray: str = ""
    contact: str | None = None
    count: int = 0
    challenge: dict[str, str] = field(default_factory=dict)

    def hear(self, response: Response) -> None:
        """Take the challenge of `response` that it can answer."""
        self.challenge = next(c for c in challenges(response) if c["algorithm"] == self.algorithm)
        self.count = 0

    def field(self, method: str, uri: str, header: str = "Authorization", count: int | None = None) -> str:
        """The line with credentials for the challenge that was heard last."""
        self.count = self.count + 1 if count is None else count
        nonce, realm, nc = self.challenge["nonce"], self.challenge["realm"], f"{self.count:08x}"
        name = self.name or self.phone.user

        def hashed(text: str) -> str:
            return HASHES[self.algorithm](text.encode()).hexdigest()

        secret = hashed(f"{self.hashed_name or name}:{realm}:{self.password}")
        if not self.has_qop:
            response = hashed(f"{secret}:{nonce}:{hashed(f'{method}:{uri}')}")
            return (
                f'{header}: Digest username="{name}",realm="{realm}",nonce="{nonce}",uri="{uri}",{self.stray}'
                f'response="{response}",algorithm={self.algorithm}\r\n'
            )
        response = hashed(f"{secret}:{nonce}:{nc}:c0ffee:auth:{hashed(f'{method}:{uri}')}")
        return (
            f'{header}: Digest username="{name}", realm="{realm}", nonce="{nonce}", uri="{uri}", '
            f'response="{response}", algorithm={self.algorithm}, cnonce="c0ffee", qop=auth, nc={nc}\r\n'
        )

    def register(self, expires: int = 600, extra: str = "") -> Response:
        """REGISTER with what is known of the nonce, and once more after a challenge; the last answer."""
        uri = f"sip:{self.phone.domain}"
        if self.challenge:
            answer = self.phone.register(expires, self.field("REGISTER", uri) + extra, self.contact)
            if answer.status != 401 or challenges(answer)[0].get("stale") != "true":
                return answer
        else:
            answer = self.phone.register(expires, extra, self.contact)
            if answer.status != 401:
                return answer
        self.hear(answer)
        return self.phone.register(expires, self.field("REGISTER", uri) + extra, self.contact)

    def text(self, user: str, text: str = "hello", extra: str = "", uri: str | None = None) -> Response:
        """A MESSAGE, and once more with credentials; the last answer."""
        to = uri or f"sip:{user}@{self.phone.domain}"
        self.phone.send(self.phone.message(user, text, extra, uri))
        answer = self.phone.response()
        if answer.status != 407:
            return answer
        self.hear(answer)
        proof = self.field("MESSAGE", to, "Proxy-Authorization")
        self.phone.send(self.phone.message(user, text, extra + proof, uri))
        return self.phone.response()


def add_user(daemon: Daemon, user: str, password: str = "secret") -> None:
    """What `msilo user add` does, without the second that its start takes."""
    aor, realm = f"{user}@example.test", "example.test"
    table = UserTable(daemon.silo, "silo")
    rows = [
        UserRow(
            aor,
            name,
            realm,
            make(f"{user}:{realm}:{password}".encode()).digest(),
            make(f"{user}@example.test:{realm}:{password}".encode()).digest(),
        )
        for name, make in HASHES.items()
    ]
    table.set(aor, rows)
    table.close()
    with ControlClient(daemon.folder / "control.sock") as client:
        client.call("wake", {"users": True})
