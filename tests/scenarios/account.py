"""Account: a phone with a password. The phone answers challenges as real clients do, and uses the nonce again."""

from dataclasses import dataclass, field

from msilod.control.protocol import ControlClient
from msilod.sip.message import Response
from msilod.store.tables.users import UserRow, UserTable
from tests.credentials import HASHES, challenges, credentials, hashed, secret_of
from tests.scenarios.conftest import Daemon
from tests.scenarios.phone import Phone

__all__ = ["Account", "add_user", "challenges"]


@dataclass
class Account:
    """Name and password of a phone. `algorithm`: the only algorithm of the phone. `name`: the username in credentials.

    `hashed_name`: the name used for the hash, by default `name`. Without `has_qop` the credentials have the form of
    RFC 2069, with `stray` appended. `contact`: a Contact value, by default the phone's own.
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
        """Remember the challenge of `response` with the phone's algorithm."""
        self.challenge = next(c for c in challenges(response) if c["algorithm"] == self.algorithm)
        self.count = 0

    def field(self, method: str, uri: str, header: str = "Authorization", count: int | None = None) -> str:
        """The header line with credentials for the last challenge."""
        self.count = self.count + 1 if count is None else count
        name = self.name or self.phone.user
        secret = secret_of(self.challenge, self.hashed_name or name, self.password, self.algorithm)
        if self.has_qop:
            value = credentials(self.challenge, method, uri, name, secret, self.algorithm, self.count)
            return f"{header}: {value}\r\n"
        nonce, realm = self.challenge["nonce"], self.challenge["realm"]
        response = hashed(self.algorithm, f"{secret}:{nonce}:{hashed(self.algorithm, f'{method}:{uri}')}")
        return (
            f'{header}: Digest username="{name}",realm="{realm}",nonce="{nonce}",uri="{uri}",{self.stray}'
            f'response="{response}",algorithm={self.algorithm}\r\n'
        )

    def register(self, expires: int = 600, extra: str = "") -> Response:
        """Send a REGISTER with the last nonce, if any, and again after a challenge. Returns the last response."""
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
        """Send a MESSAGE, and again after a challenge. Returns the last response."""
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
    """Add a user as `msilo user add` does, without starting a process, which takes a second."""
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
