"""REGISTERs with digest credentials (RFC 3261 section 22): each user proves its password for the nonce that it got.

Each user is challenged once, before the clock runs. Its later requests have credentials for the same nonce, with a
nonce count that goes up by one.
"""

from collections.abc import Iterator
from itertools import count

from msilod.sip.digest import ha1, ha2, response
from tests.bench.load.agent import Agent
from tests.bench.load.job import Job
from tests.bench.load.loads import TimedLoad, slices
from tests.bench.load.wire import USER_WIDTH, Feed, register_template, registers

PASSWORD = b"secret"
ALGORITHM = b"MD5"
CNONCE = b"c0ffee"


def secret_of(user: bytes, realm: bytes) -> bytes:
    """H(A1) of a user of the benchmark, raw."""
    return ha1(ALGORITHM, user, realm, PASSWORD)


def credentials(user: bytes, realm: bytes, nonce: bytes, number: int) -> bytes:
    """The Authorization line of a REGISTER for sip:`realm`, with nonce count `number`."""
    uri, nc = b"sip:" + realm, b"%08x" % number
    proof = response(
        ALGORITHM, secret_of(user, realm), ha2(ALGORITHM, b"REGISTER", uri), nonce, nc, CNONCE, b"auth"
    )
    return (
        b'Authorization: Digest username="%b", realm="%b", nonce="%b", uri="%b", response="%b", algorithm=%b, '
        b'cnonce="%b", qop=auth, nc=%b\r\n' % (user, realm, nonce, uri, proof, ALGORITHM, CNONCE, nc)
    )


class ChallengedAgent(Agent):
    """Keeps the nonce of each user's challenge in `nonces`."""

    __slots__ = ("nonces",)

    def __init__(self, server: tuple[str, int], run: bytes) -> None:
        super().__init__(server, run)
        self.nonces: dict[bytes, bytes] = {}

    def _answered(self, data: bytes) -> None:
        if data[8:11] == b"401":
            at = data.find(self._mark) + self._skip + 1
            self.nonces[data[at : at + USER_WIDTH]] = data.partition(b'nonce="')[2].partition(b'"')[0]
        super()._answered(data)


class DigestLoad(TimedLoad):
    """REGISTERs of users who are registered already, with credentials."""

    def __init__(self, job: Job) -> None:
        super().__init__(job)
        self.caller = ChallengedAgent(job.server, job.run)
        self.agents.append(self.caller)

    def prepare(self) -> None:
        """Gets a challenge for each user and registers all."""
        template = register_template(self.job.domain, self.caller.port, self.job.run)
        parts = slices(self.users, self.job.outstanding)
        self.run_all(self.caller, [registers(template, part, 1) for part in parts], self.tally())
        feeds = [self.proved(template, part) for part in parts]
        self.feeds = {self.caller: feeds}
        self.warm_up()

    def proved(self, template: bytes, users: list[bytes]) -> Feed:
        """REGISTERs with credentials without an end: CSeq 2, 3 ..."""
        return (each for number in count(2) for each in self._round(template, users, number))

    def _round(self, template: bytes, users: list[bytes], number: int) -> Iterator[tuple[bytes, bytes]]:
        for user, (tail, data) in zip(users, registers(template, users, number), strict=True):
            line = credentials(b"u" + user, self.job.domain, self.caller.nonces[user], number - 1)
            head, _, rest = data.partition(b"\r\n")
            yield tail, b"%b\r\n%b%b" % (head, line, rest)
