"""The writer's process gives the results of the in-line writer; after the death of either side no result is wrong."""

import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import astuple

from msilod.errors import StoreError, UnavailableError
from msilod.registrar.binding import Binding
from msilod.silo.history import HistoryEntry
from msilod.silo.stored_message import StoredMessage
from msilod.store.engine.sqlite import lock
from msilod.store.jobs import Added, AddResult, BindingChanges, Cleaned, Duplicate, Failed, Foreign, OverQuota
from msilod.store.limits import Limits
from msilod.store.silo import Silo
from msilod.store.times import KeptClock
from msilod.store.writer.parent import MAX_TAKEN, ProcessWriter
from msilod.store.writer.pipe import Opening, pack_opening, read_opening
from tests.store.databases import Database
from tests.store.rows import WALL, add, row

ROOT = Path(__file__).parents[2]


class Desk:
    """A silo with the process, and the loop of a daemon."""

    def __init__(self, database: Database, limits: Limits) -> None:
        self.database = database
        self.silo = database.silo(limits)
        self.silo.start("test", self.deliver)
        writer = self.silo.writer
        assert isinstance(writer, ProcessWriter)
        self.writer = writer
        self.heard: list[Any] = []
        self.deliveries = 0

    def deliver(self, results: Sequence[tuple[Any, Any]]) -> None:
        self.deliveries += bool(results)
        for done, result in results:
            done(result)

    def wait(self, count: int) -> list[Any]:
        """Run the loop until there are so many results."""
        self.writer.flush()
        writer = self.writer
        while len(self.heard) < count:
            room = [writer.socket] if writer.wants_room else []
            readable, writable, _ = select.select([writer.socket], room, [], 20)
            assert readable or writable, "the writer is silent"
            writer.push()
            writer.receive()
        return self.heard

    def add(self, *numbers: int) -> None:
        for number in numbers:
            self.writer.add(row(number), self.heard.append)

    def stop_child(self) -> None:
        """The process takes no job until `continue_child`: a hanging disk."""
        os.kill(self.writer.process.pid, signal.SIGSTOP)

    def continue_child(self) -> None:
        os.kill(self.writer.process.pid, signal.SIGCONT)


MakeDesk = Callable[..., Desk]


@pytest.fixture
def desk(database: Database) -> Iterator[MakeDesk]:
    made: list[Desk] = []

    def make(limits: Limits | None = None) -> Desk:
        made.append(Desk(database, limits or Limits(10_000, 10**9)))
        return made[0]

    yield make
    for each in made:
        each.silo.close()


def test_the_process_does_what_the_twin_does(desk: MakeDesk, database: Database) -> None:
    bank = desk()
    bank.add(1, 2, 1, 3)
    bank.wait(4)
    bank.writer.end(2, row(2).hash, "bob@example.test", "delivered", 200, WALL, bank.heard.append)
    assert bank.wait(5) == [Added(1), Added(2), Duplicate(1, False), Added(3), None]
    other = database.another("twin")
    twin, heard = other.silo(Limits()), list[AddResult]()
    twin.start("test", None)
    for number in (1, 2, 1, 3):
        twin.writer.add(row(number), heard.append)
    twin.writer.flush()
    twin.writer.end(2, row(2).hash, "bob@example.test", "delivered", 200, WALL, None)
    twin.close()
    rows = "SELECT id, aor, hash, body FROM silo ORDER BY id"
    assert database.query(rows) == other.query(rows)


def test_a_row_learns_its_id_and_the_call_id_that_it_was_given(desk: MakeDesk) -> None:
    bank, first, second = desk(), row(1), row(2, call_id=b"call-1")
    bank.writer.add(first, bank.heard.append)
    bank.writer.add(second, bank.heard.append)
    assert bank.wait(2) == [Added(1), Added(2, second.hash.hex().encode() + b"@msilo")]
    assert (first.id, second.id) == (1, 2)
    assert (first.delivery_call_id, second.delivery_call_id) == (b"", second.hash.hex().encode() + b"@msilo")


def test_a_claim_brings_the_rows_whole(desk: MakeDesk) -> None:
    bank = desk()
    bank.add(1)
    bank.wait(1)
    bank.writer.claim("bob@example.test", 10, 0, (), WALL, bank.heard.append)
    (found,) = bank.wait(2)[1]
    assert (found.id, found.body, found.call_id, found.expires_at) == (1, b"body 1", b"call-1", WALL + 1000)


def test_quotas_hold_there_and_others_take_their_place(desk: MakeDesk) -> None:
    bank = desk(Limits(1, 1000))
    bank.add(1, 2)
    assert bank.wait(2) == [Added(1), OverQuota(1, 6)]
    bank.silo.configure(Limits(2, 1000), 0.0)
    bank.add(3)
    assert bank.wait(3)[2] == Added(2)


@pytest.mark.parametrize("bad", ["\udc80@example.test", None], ids=["no text", "no string"])
def test_one_row_that_cannot_be_sent_does_not_fail_its_batch_mates(desk: MakeDesk, bad: Any) -> None:
    bank, told = desk(), dict[int, AddResult]()

    def hear(number: int, result: AddResult) -> None:
        told[number] = result
        bank.heard.append(number)

    for number, aor in ((1, "bob@example.test"), (2, bad), (3, "bob@example.test")):
        message = row(number)
        message.aor = aor
        bank.writer.add(message, partial(hear, number))
    bank.wait(3)
    assert (told[1], told[3]) == (Added(1), Added(2))
    assert isinstance(told[2], Failed)


BOB = "bob@example.test"


def _all_that_is_asked(silo: Silo, heard: Callable[[Any], None]) -> None:
    """Every call: each argument and each result travels."""
    ask = silo.writer
    phone = Binding(
        BOB, "sip:bob@192.0.2.1", "c1", 7, WALL + 60, WALL, 0.5, ";x", ("<sip:p;lr>",), None, "<urn:x>"
    )
    ask.bindings(BindingChanges(BOB, [phone], []), heard)
    phone.cseq = 8
    ask.refresh([phone])
    ask.claim(BOB, 2, 0, (), WALL, heard)
    ask.claim(BOB, 10, 0, (3, 4), WALL, heard, with_sips=False)
    ask.claim_for("<urn:x>", BOB, 10, 0, (5,), WALL, heard)
    ask.has_waiting(BOB, heard)
    ask.serve(5, 0, "<urn:x>", 200, "OK", "sip:bob@192.0.2.1", WALL, heard)
    ask.postpone([(1, 2)], WALL + 9, 486, "Busy Here")
    ask.release([2])
    ask.reject(3, 603, "Decline", 1)
    ask.hand(4, 202, "Accepted", heard)
    ask.note(HistoryEntry(1, BOB, WALL, "failed", 486, "Busy Here", "sip:bob@192.0.2.1"))
    ask.renew([1], WALL)
    ask.free_lapsed(WALL, heard)
    ask.forget_back_off(BOB, (482,))
    ask.keep_clock(KeptClock("boot", 2.0, WALL, 1.0, 1.0))
    ask.due(WALL + 6, WALL + 6, 0.0, 10, heard)
    ask.unseen("", 10, True, heard)
    ask.unseen("", 10, False, heard)
    ask.by_next_hop("carol@example.test", heard)
    ask.poll_foreign(heard)
    ask.clean(WALL + 2000, 2, heard)


def _said(result: Any) -> Any:
    """A form for comparisons."""
    if isinstance(result, Cleaned):
        return _said(result.expired), result.has_more
    if isinstance(result, list):
        return [astuple(each) if isinstance(each, StoredMessage) else each for each in result]
    return result


def test_whatever_is_asked_the_process_says_and_does_what_the_twin_does(
    desk: MakeDesk, database: Database
) -> None:
    rows = [row(n) for n in range(1, 8)] + [row(8, "carol@example.test", next_hop="sip:p", state="waiting")]
    rows.append(row(9, state="scheduled", due_at=WALL + 5))
    other = database.another("twin")
    twin, heard = other.silo(Limits()), list[Any]()
    twin.start("test", None)
    bank = desk()
    for silo, said in ((twin, heard), (bank.silo, bank.heard)):
        silo.configure(Limits(), 100.0, 100.0)
        for message in rows:
            message.id = 0
            silo.writer.add(message, said.append)
        silo.writer.flush()
        _all_that_is_asked(silo, said.append)
        silo.writer.flush()
    bank.wait(len(heard))
    assert list(map(_said, bank.heard)) == list(map(_said, heard))
    assert len(heard) == len(rows) + 14
    twin.close()
    for table in ("silo", "silo_ended", "silo_location", "silo_history", "silo_device", "silo_served"):
        assert database.query(f"SELECT * FROM {table}") == other.query(f"SELECT * FROM {table}"), table


def test_an_operation_that_raises_is_told_and_the_others_are_done(desk: MakeDesk) -> None:
    bank = desk()
    bank.writer._ask("no such operation", bank.heard.append)
    bank.add(1)
    added, error = bank.wait(2)
    assert isinstance(error, StoreError)
    assert added == Added(1)


def test_one_wake_up_for_a_transaction(desk: MakeDesk) -> None:
    bank = desk()
    bank.stop_child()
    for number in range(40):
        bank.add(number)
        bank.writer.flush()
    bank.continue_child()
    bank.wait(40)
    assert bank.deliveries == 1


def test_a_job_is_taken_or_withdrawn_never_both(desk: MakeDesk) -> None:
    bank = desk()
    bank.stop_child()
    jobs = [bank.writer.add(row(number), bank.heard.append) for number in range(MAX_TAKEN + 10)]
    bank.writer.flush()
    assert bank.writer.taken == MAX_TAKEN
    assert not bank.writer.withdraw(jobs[100])
    assert bank.writer.withdraw(jobs[-1])
    assert not bank.writer.withdraw(jobs[-1])
    bank.continue_child()
    bank.wait(MAX_TAKEN + 9)
    assert bank.database.query("SELECT count(*) FROM silo") == [(MAX_TAKEN + 9,)]


def test_a_full_socket_blocks_nobody_and_loses_nothing(desk: MakeDesk) -> None:
    bank, full = desk(), list[bool]()
    bank.writer.when_full = lambda: full.append(True)
    bank.stop_child()
    for number in range(MAX_TAKEN):
        bank.writer.add(row(number, body=b"x" * 60_000), bank.heard.append)
    bank.writer.flush()
    assert full
    assert bank.writer.wants_room
    bank.continue_child()
    assert len(bank.wait(MAX_TAKEN)) == MAX_TAKEN
    assert bank.database.query("SELECT count(*), min(size) FROM silo") == [(MAX_TAKEN, 60_000)]


def test_close_commits_what_waits(database: Database) -> None:
    bank = Desk(database, Limits(10_000, 10**9))
    bank.add(*range(3 * MAX_TAKEN))
    bank.silo.close()
    assert database.query("SELECT count(*) FROM silo") == [(3 * MAX_TAKEN,)]
    assert len(bank.heard) == 3 * MAX_TAKEN
    assert bank.writer.process.returncode == 0


def test_signals_are_the_daemons(desk: MakeDesk) -> None:
    bank = desk()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        os.kill(bank.writer.process.pid, number)
    bank.add(1)
    assert bank.wait(1) == [Added(1)]


def test_the_end_of_the_process_is_said_and_nobody_is_told_of_what_it_had(desk: MakeDesk) -> None:
    bank = desk()
    bank.add(1)
    bank.wait(1)
    bank.stop_child()
    bank.add(2)
    bank.writer.flush()
    bank.writer.process.kill()
    with pytest.raises(StoreError, match="has ended"):
        bank.wait(2)
    bank.add(3)
    bank.writer.flush()
    assert bank.heard == [Added(1)]


DAEMON = """
import select, sys
from msilod.store.limits import Limits
from msilod.store.silo import Silo
from tests.store.databases import Database
from tests.store.rows import row
silo = Silo(sys.argv[1], "silo", Limits(10**9, 10**12))
def tell(results):
    for done, result in results:
        sys.stdout.write(f"{result.id}\\n")
    sys.stdout.flush()
silo.start("daemon", tell)
print(silo.writer.process.pid, flush=True)
for number in range(10**6):
    silo.writer.add(row(number), print)
    if number % 40 == 0:
        silo.writer.flush()
        if select.select([silo.writer.socket], [], [], 0)[0]:
            silo.writer.receive()
"""


def _daemon(database: Database) -> tuple[subprocess.Popen[str], int]:
    daemon = subprocess.Popen(
        [sys.executable, "-c", DAEMON, database.url],
        stdout=subprocess.PIPE, text=True, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert daemon.stdout is not None
    return daemon, int(daemon.stdout.readline())


def test_what_was_told_survives_kill_9_of_the_daemon(database: Database) -> None:
    daemon, writer = _daemon(database)
    assert daemon.stdout is not None
    told = {int(daemon.stdout.readline()) for _ in range(2000)}
    gone = os.pidfd_open(writer)
    daemon.kill()
    told |= {int(line) for line in daemon.stdout.read().split("\n")[:-1] if line}
    daemon.wait()
    daemon.stdout.close()
    assert select.select([gone], [], [], 20)[0], "the writer outlives its daemon"
    os.close(gone)
    assert told <= {id for (id,) in database.query("SELECT id FROM silo")}


@pytest.mark.sqlite
def test_no_other_daemon_while_the_writer_of_a_dead_one_lives(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    daemon, writer = _daemon(database)
    gone = os.pidfd_open(writer)
    os.kill(writer, signal.SIGSTOP)
    daemon.kill()
    daemon.communicate()
    with monkeypatch.context() as patch:
        patch.setattr(lock, "PATIENCE", 0.0)
        with pytest.raises(UnavailableError, match="in use"):
            database.silo(Limits())
    os.kill(writer, signal.SIGCONT)
    silo = database.silo(Limits())
    assert select.select([gone], [], [], 0)[0], "two processes that write"
    os.close(gone)
    silo.start("test", None)
    silo.close()
    assert database.query("PRAGMA integrity_check") == [("ok",)]


def test_what_was_committed_while_the_process_started_is_foreign(database: Database) -> None:
    """Law 7: rows imported in this moment were not noticed, and waited for the next REGISTER but one."""
    silo = database.open()
    add(silo, row(1, "alice@example.test"), row(2, "bob@example.test"))
    silo.close()
    heard: list[Foreign] = []

    def deliver(results: Sequence[tuple[Any, Any]]) -> None:
        for done, result in results:
            done(result)

    writer = ProcessWriter(database.url, "silo", "test", deliver, (1, 0))
    writer.poll_foreign(heard.append)
    writer.flush()
    while not heard:
        assert select.select([writer.socket], [], [], 20)[0], "the writer is silent"
        writer.receive()
    assert heard[0].stored == ["bob@example.test"]
    writer.close()


def test_the_arguments_of_the_process_do_not_name_the_database(database: Database) -> None:
    """Every user of the machine can read arguments, and the URL of a database server holds a password."""
    desk = Desk(database, Limits())
    desk.writer.add(row(1), desk.heard.append)
    # After an answer the process has started.
    desk.wait(1)
    arguments = Path(f"/proc/{desk.writer.process.pid}/cmdline").read_bytes()
    assert b"msilod.store.writer.child" in arguments
    assert database.url.partition("://")[2].encode() not in arguments
    desk.silo.close()


def test_a_daemon_that_ends_before_its_first_frame_ends_the_process() -> None:
    ours, theirs = socket.socketpair()
    ours.sendall(pack_opening(Opening("sqlite:///silo.db", "silo", "test"))[:-1])
    ours.close()
    with theirs, pytest.raises(EOFError):
        read_opening(theirs)


def test_the_first_frame_is_read_and_no_byte_more() -> None:
    ours, theirs = socket.socketpair()
    opening = Opening("sqlite:///silo.db", "silo", "test", (7, 9))
    with ours, theirs:
        ours.sendall(pack_opening(opening) + b"rest")
        assert read_opening(theirs) == opening
        assert theirs.recv(100) == b"rest"
