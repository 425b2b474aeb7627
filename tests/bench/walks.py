"""Microseconds of the daemon's thread for a whole walk: store, relay, call, refresh; and the writer's for a row.

    python -m tests.bench walks [store] [relay] [call] [refresh] [digest] [writer] [ROUNDS]

The command also counts bytecodes (tests/bench/bytecodes.py).

Everything between the socket and the writer is the real one; the datagrams are those of the load generator.
What is sent goes nowhere and the disk answers at once, except for `writer`, which commits to a silo under
/var/tmp. Rules: requests are made before; the best of several rounds counts, since noise only adds.
"""

import gc
import sys
from collections.abc import Callable
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter, thread_time

import trio

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from msilod.clock import Clock
from msilod.config import Config
from msilod.daemon.configuring import users_changed
from msilod.daemon.process import GC_THRESHOLD
from msilod.daemon.wiring import build
from msilod.routing import default
from msilod.sip.digest import ha1, ha2, response
from msilod.sip.flow import Flow
from msilod.store.engine.choice import sqlite_url
from msilod.store.jobs import Outcome
from msilod.store.limits import Limits
from msilod.store.silo import Silo
from msilod.store.writer.contract import InlineWriter
from msilod.store.writer.parcel import Parcel
from msilod.store.writer.pipe import HEAD, pack_answer, pack_batch, unpack_answer, unpack_batch
from msilod.transport.listen import ListenSpec
from msilod.transport.transports import Transports
from tests.bench.load.calls import in_dialog, invite_template, invites, rings_and_answers
from tests.bench.load.wire import answer, message_template, messages, register_template, registers, user_name

DOMAIN = "bench.test"
BATCH = 64
MANY = 1280
CALLS = 320
USERS = [user_name(number) for number in range(1000)]


class Prompt(InlineWriter):
    """A disk that takes no time."""

    last = 0

    def flush(self) -> None:
        """All is well."""
        jobs, self._collected = self._collected, []
        if not jobs:
            return
        parcel = Parcel(jobs)
        batch = parcel.batch()
        pack_batch(batch)
        new = len(batch.adds)
        outcome = Outcome(self.last + 1, new, ends=[None] * len(batch.ends), calls=[None] * len(batch.calls))
        self.last += new
        for done, result in parcel.results(outcome):
            done(result)


class Bench:
    """A daemon without its disk, and a phone."""

    def __init__(self, folder: Path, nursery: trio.Nursery) -> None:
        self.silo = Silo(sqlite_url(folder / "silo.db"), "silo", Limits())
        self.silo.start("bench", None)
        assert isinstance(self.silo.writer, InlineWriter)
        self.transactions = self.silo.writer.transactions
        self.silo.writer = Prompt(self.transactions)
        transports = Transports([ListenSpec("udp", "127.0.0.1", 0)])
        self.parts = build(Config(domains=[DOMAIN]), Clock(), transports, self.silo, nursery, default)
        self.parts.user_watch.start()
        self.parts.mail.complete()
        self.parts.deliverer.recalled()
        self.endpoint = transports.udp[0]
        transports.flush = self.flush  # type: ignore[method-assign]
        self._sent: list[bytes] = []
        self.phone = Flow(self.endpoint.endpoint, "127.0.0.1", 40001)
        self.runs = count()
        self.cseqs = count(1)

    def flush(self) -> None:
        """Keep what would have left."""
        self._sent += [data for data, _ in self.endpoint._waiting]
        self.endpoint._waiting.clear()
        self.endpoint._waiting_bytes = 0

    def sent(self) -> list[bytes]:
        """What has left since the last time."""
        found, self._sent = self._sent, []
        return found

    def receive(self, datagrams: list[bytes]) -> float:
        """Seconds to serve these, in batches as the socket gives them."""
        phone = self.phone
        began = thread_time()
        receive, after_batch = self.parts.receiver.receive, self.parts.receiver.after_batch
        for at in range(0, len(datagrams), BATCH):
            for data in datagrams[at : at + BATCH]:
                receive(data, Flow(phone.endpoint, phone.host, phone.port))
            after_batch()
        return thread_time() - began

    def messages(self) -> list[bytes]:
        """Never seen before."""
        template = message_template(DOMAIN.encode(), 40001, b"%04d" % next(self.runs), 200)
        feed = messages(template, USERS, count())
        return [next(feed)[1] for _ in range(MANY)]

    def registers(self) -> list[bytes]:
        """One for each user, in the words of those before."""
        template = register_template(DOMAIN.encode(), 40001, b"0000")
        return [data for _, data in registers(template, USERS, next(self.cseqs))]

    def lock(self) -> None:
        """From here on everybody is a user with the password `secret`."""
        users = self.parts.members.users
        for user in (b"u" + name for name in USERS):
            values = [(name, ha1(name, user, DOMAIN.encode(), b"secret")) for name in (b"MD5", b"SHA-256")]
            users.put(f"{user.decode()}@{DOMAIN}", values)
        users.existed = users.is_readable = True
        users_changed(self.parts)

    def proved(self, nonces: list[bytes], number: int) -> list[bytes]:
        """A REGISTER for each user, with his credentials for his nonce."""
        found = []
        for name, nonce, data in zip(USERS, nonces, self.registers(), strict=True):
            user = b"u" + name
            head, _, tail = data.partition(b"\r\n")
            uri, nc = head.split(b" ")[1], b"%08x" % number
            secret = ha1(b"MD5", user, DOMAIN.encode(), b"secret")
            proof = response(b"MD5", secret, ha2(b"MD5", b"REGISTER", uri), nonce, nc, b"c0ffee", b"auth")
            found.append(
                b'%b\r\nAuthorization: Digest username="%b", realm="%b", nonce="%b", uri="%b", response="%b", '
                b'algorithm=MD5, cnonce="c0ffee", qop=auth, nc=%b\r\n%b'
                % (head, user, DOMAIN.encode(), nonce, uri, proof, nc, tail)
            )
        return found


def store(bench: Bench) -> float:
    """MESSAGE to 202."""
    spent = bench.receive(bench.messages())
    assert bench.sent()[-1].startswith(b"SIP/2.0 202")
    return spent / MANY


def relay(bench: Bench) -> float:
    """MESSAGE to the phone, and its 200 back."""
    bench.receive(bench.registers())
    bench.sent()
    datagrams, spent = bench.messages(), 0.0
    for at in range(0, MANY, BATCH):
        spent += bench.receive(datagrams[at : at + BATCH])
        forwarded = bench.sent()
        assert forwarded[-1].startswith(b"MESSAGE ")
        spent += bench.receive([answer(data.partition(b"\r\n\r\n")[0])[0] for data in forwarded])
        assert bench.sent()[-1].startswith(b"SIP/2.0 200")
    return spent / MANY


def call(bench: Bench) -> float:
    """INVITE, 180, 200, ACK, BYE, 200."""
    bench.receive(bench.registers())
    run = b"%04d" % next(bench.runs)
    feed = invites(invite_template(DOMAIN.encode(), 40001, run), USERS, count())
    bench.sent()
    spent = bench.receive([next(feed)[1] for _ in range(CALLS)])
    answers = [rings_and_answers(_head(data), 40001) for data in bench.sent() if data.startswith(b"INVITE ")]
    spent += bench.receive([data for pair in answers for data in pair])
    heads = [_head(data) for data in bench.sent() if data.startswith(b"SIP/2.0 200")]
    dialogs = list(enumerate(heads))
    for method, number in ((b"ACK", 1), (b"BYE", 2)):
        branches = [(head, b"z9hG4bK%b%b%d" % (run, method, index)) for index, head in dialogs]
        spent += bench.receive([in_dialog(method, number, head, 40001, branch) for head, branch in branches])
    spent += bench.receive([answer(_head(data))[0] for data in bench.sent() if data.startswith(b"BYE ")])
    assert len([data for data in bench.sent() if data.startswith(b"SIP/2.0 200")]) == CALLS
    return spent / CALLS


def _head(data: bytes) -> bytes:
    return data.partition(b"\r\n\r\n")[0]


def refresh(bench: Bench) -> float:
    """REGISTER to 200."""
    bench.receive(bench.registers())
    spent = bench.receive(bench.registers())
    assert bench.sent()[-1].startswith(b"SIP/2.0 200")
    bench.parts.registrar.write_refreshes()
    return spent / len(USERS)


def digest(bench: Bench) -> float:
    """REGISTER with a password to 200: at most twice a refresh without."""
    bench.lock()
    bench.receive(bench.registers())
    nonces = [data.partition(b'nonce="')[2].partition(b'"')[0] for data in bench.sent()]
    bench.receive(bench.proved(nonces, 1))
    datagrams = bench.proved(nonces, 2)
    spent = bench.receive(datagrams)
    assert bench.sent()[-1].startswith(b"SIP/2.0 200")
    bench.parts.registrar.write_refreshes()
    return spent / len(USERS)


def writer(bench: Bench) -> float:
    """From a frame into a synced commit and the frame of its answer, in batches."""
    prompt = bench.silo.writer
    prompt.flush = lambda: None  # type: ignore[method-assign]
    bench.receive(bench.messages())
    del prompt.flush
    collected, prompt._collected = prompt._collected, []
    parcels = [Parcel(collected[at : at + BATCH]) for at in range(0, MANY, BATCH)]
    frames = [bytearray(pack_batch(parcel.batch())[HEAD:]) for parcel in parcels]
    began = perf_counter()
    answers = [pack_answer(1, bench.transactions.execute(unpack_batch(frame))) for frame in frames]
    spent = perf_counter() - began
    for parcel, packed in zip(parcels, answers, strict=True):
        for done, result in parcel.results(unpack_answer(bytearray(packed[HEAD:])).outcome(())):
            done(result)
    return spent / MANY


WALKS: dict[str, Callable[[Bench], float]] = {
    "store": store, "relay": relay, "call": call, "refresh": refresh, "digest": digest, "writer": writer,
}  # fmt: skip


async def best(walk: Callable[[Bench], float], rounds: int) -> float:
    """The best of the rounds: short ones, to find a quiet moment of the machine."""
    with TemporaryDirectory(dir="/var/tmp") as folder:
        async with trio.open_nursery() as nursery:
            bench = Bench(Path(folder), nursery)
            found = min([walk(bench) for _ in range(rounds)])
            bench.parts.transports.close()
            bench.silo.close()
            nursery.cancel_scope.cancel()
    return found


def main(words: list[str]) -> None:
    """A line per walk in `words`, all by default; a number there is how many rounds. Raises KeyError."""
    gc.set_threshold(*GC_THRESHOLD)
    rounds = [int(word) for word in words if word.isdigit()]
    for name in [word for word in words if not word.isdigit()] or list(WALKS):
        spent = trio.run(best, WALKS[name], rounds[0] if rounds else 40)
        sys.stdout.write(f"{spent * 1e6:8.2f} us  {name}: {WALKS[name].__doc__}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
