"""The writer: group commit, duplicates, quotas, leases; in line."""

from typing import Any

import pytest

from msilod.errors import StoreError
from msilod.registrar.binding import Binding
from msilod.sip.flow import UDP, Endpoint, Flow
from msilod.store.columns import LOADED
from msilod.store.jobs import Added, BindingChanges, Duplicate, Failed, Foreign, OverQuota
from msilod.store.limits import Limits
from msilod.store.silo import Silo
from tests.store.databases import Database
from tests.store.rows import WALL, add, ask, claim, engine_of, row


def test_every_column_comes_back_as_it_went_in(silo: Silo) -> None:
    body = bytes(range(256))
    message = row(
        1, body=body, headers=b"X: \xff\r\n", content_type=b"a/b; c=\xe9", next_hop="sip:p", due_at=WALL + 5
    )
    assert add(silo, message) == [Added(1)]
    found = claim(silo)[0]
    for name in LOADED:
        assert getattr(found, name) == getattr(message, name), name


def test_ids_are_in_order_and_never_reused(silo: Silo) -> None:
    assert add(silo, *(row(n) for n in range(700))) == [Added(n + 1) for n in range(700)]
    silo.writer.end(700, row(699).hash, "bob@example.test", "delivered", 200, WALL, None)
    assert add(silo, row(1000)) == [Added(701)]


def test_a_copy_is_known_in_the_batch_in_the_silo_and_after_its_end(silo: Silo) -> None:
    assert add(silo, row(1), row(2), row(1)) == [Added(1), Added(2), Duplicate(1, False)]
    assert add(silo, row(2)) == [Duplicate(2, False)]
    silo.writer.end(1, row(1).hash, "bob@example.test", "delivered", 200, WALL, None)
    assert add(silo, row(1)) == [Duplicate(1, True)]


def test_a_different_message_under_a_used_call_id_gets_one_of_its_own(silo: Silo) -> None:
    add(
        silo,
        row(1, call_id=b"same"),
        row(2, call_id=b"same"),
        row(3, call_id=b"same", aor="carol@example.test"),
    )
    first, second = claim(silo)
    assert first.delivery_call_id == b""
    assert second.delivery_call_id not in (b"", b"same")
    assert claim(silo, "carol@example.test")[0].delivery_call_id == b""


def test_the_quota_holds_to_the_message_and_to_the_byte(database: Database) -> None:
    silo = database.open(max_messages=3, max_bytes=30)
    assert add(silo, *(row(n, body=b"x") for n in range(4))) == [
        Added(1),
        Added(2),
        Added(3),
        OverQuota(3, 3),
    ]
    assert add(silo, row(9, "carol@example.test", body=b"x" * 30)) == [Added(4)]
    assert add(silo, row(10, "carol@example.test", body=b"x")) == [OverQuota(1, 30)]
    silo.writer.end(1, row(0).hash, "bob@example.test", "delivered", 200, WALL, None)
    assert add(silo, row(11, body=b"x")) == [Added(5)]
    silo.writer.reject(2, 603, "Decline", 1)
    silo.writer.flush()
    assert add(silo, row(12, body=b"x")) == [Added(6)], "a rejected row counts in no quota"
    silo.close()


@pytest.mark.parametrize("count", [1, 2, 31, 32, 33, 64, 65, 200, 512])
def test_a_batch_of_any_size_is_one_transaction(silo: Silo, database: Database, count: int) -> None:
    """Padding up to the size of a prepared statement leaves no rows."""
    assert add(silo, *(row(n) for n in range(count))) == [Added(id) for id in range(1, count + 1)]
    ((rows, last),) = database.query("SELECT count(*), max(id) FROM silo")
    assert (rows, last) == (count, count)
    assert add(silo, row(count)) == [Added(count + 1)]


def test_an_ended_copy_in_a_batch_is_told_and_its_mates_are_kept(silo: Silo) -> None:
    add(silo, row(1))
    silo.writer.end(1, row(1).hash, "bob@example.test", "delivered", 200, WALL, None)
    assert add(silo, row(2), row(1), row(3)) == [Added(2), Duplicate(1, True), Added(3)]


def test_a_copy_of_what_another_has_just_committed_is_seen(database: Database) -> None:
    silo = database.open()
    add(silo, row(1))
    other = database.queue()
    assert other.insert([row(2)], Limits(10, 1000)) == [Added(2)]
    assert add(silo, row(2), row(3)) == [Duplicate(2, False), Added(3)]
    other.close()
    silo.close()


def test_the_quota_counts_what_others_put_in(database: Database) -> None:
    silo = database.open(max_messages=2)
    add(silo, row(1))
    columns = (
        "aor, sender, received_at, expires_at, request_uri, from_header, to_header, call_id, cseq, "
        "content_type, headers, size, body"
    )
    database.change("UPDATE silo SET aor = aor")
    database.change(f"INSERT INTO silo ({columns}, hash) SELECT {columns}, ? FROM silo", (b"\0",))
    assert add(silo, row(2)) == [OverQuota(2, 12)]
    assert ask(silo, silo.writer.poll_foreign) == Foreign([], frozenset(), ["bob@example.test"])
    assert ask(silo, silo.writer.poll_foreign) == Foreign([])
    silo.close()


def test_one_bad_row_does_not_fail_its_batch_mates(silo: Silo) -> None:
    bad = row(2)
    # Not a text for any database.
    bad.next_hop = "\ud800"
    first, second, third = add(silo, row(1), bad, row(3))
    assert (first, third) == (Added(1), Added(2))
    assert isinstance(second, Failed)


def test_a_job_that_raises_is_told_and_the_others_are_done(silo: Silo) -> None:
    heard: list[Any] = []
    silo.writer._ask("no such operation", heard.append)
    assert add(silo, row(1)) == [Added(1)]
    assert isinstance(heard[0], StoreError)


def test_a_failure_that_nobody_waits_for_is_not_silent(silo: Silo) -> None:
    silo.writer._ask("no such operation", None)
    with pytest.raises(StoreError, match="no such operation"):
        silo.writer.flush()


def test_ends_are_idempotent_and_keep_the_hash(silo: Silo, database: Database) -> None:
    add(silo, row(1))
    for _ in range(2):
        result = ask(
            silo,
            lambda done: silo.writer.end(1, row(1).hash, "bob@example.test", "delivered", 200, WALL, done),
        )
        assert result is None
    assert database.query("SELECT id, aor, how, status FROM silo_ended") == [
        (1, "bob@example.test", "delivered", 200)
    ]


def test_claims_are_leases_oldest_first(silo: Silo) -> None:
    add(silo, *(row(n) for n in range(5)))
    assert [m.id for m in claim(silo, limit=3)] == [1, 2, 3]
    assert [m.id for m in claim(silo)] == [4, 5]
    assert claim(silo) == []
    silo.writer.release([2])
    assert [m.id for m in claim(silo)] == [2]


def test_t17_a_claim_without_sips_reads_the_scheme_from_the_request_uri(silo: Silo) -> None:
    add(silo, *(row(n, request_uri=uri) for n, uri in enumerate(
        (b"sips:bob@a", b"SipS:bob@a", b"sip:sips:x@a", b"sip:bob@a;transport=tls"), 1
    )))  # fmt: skip
    found = ask(silo, lambda done: silo.writer.claim("bob@example.test", 2, 0, (), WALL, done, False))
    assert [message.id for message in found] == [3, 4]
    assert ask(silo, lambda done: silo.writer.has_waiting("bob@example.test", done)) is True
    assert [message.id for message in silo.waiting("bob@example.test", only_for_sips=True)] == [1, 2]
    assert [message.id for message in claim(silo)] == [1, 2]
    assert ask(silo, lambda done: silo.writer.has_waiting("bob@example.test", done)) is False
    assert silo.waiting_count("bob@example.test") == 4


def test_claims_come_back_at_the_next_start(database: Database) -> None:
    silo = database.open()
    add(silo, row(1))
    assert len(claim(silo)) == 1
    silo.close()
    silo = database.open()
    assert len(claim(silo)) == 1
    silo.close()


def test_postponed_and_rejected_rows_say_why(silo: Silo, database: Database) -> None:
    add(silo, row(1), row(2))
    first, second = claim(silo)
    first.attempts = 2
    silo.writer.postpone([(first.id, first.attempts)], WALL + 60, 486, "Busy Here")
    silo.writer.reject(second.id, 603, "Decline", 1)
    silo.writer.flush()
    columns = "SELECT state, attempts, last_status, last_reason, next_attempt_at, owner FROM silo ORDER BY id"
    assert database.query(columns) == [
        ("waiting", 2, 486, "Busy Here", WALL + 60, ""),
        ("rejected", 1, 603, "Decline", None, ""),
    ]
    assert [m.id for m in claim(silo)] == [1], "a rejected row is never sent again"


def test_a_handed_row_stays_to_its_end_is_not_sent_again_and_counts_in_no_quota(database: Database) -> None:
    silo = database.open(max_messages=1)
    add(silo, row(1))
    claim(silo)
    assert ask(silo, lambda done: silo.writer.hand(1, 202, "Accepted", done)) is None
    columns = "SELECT state, last_status, last_reason, owner, lease_until FROM silo"
    assert database.query(columns) == [("handed", 202, "Accepted", "", None)]
    assert claim(silo) == []
    assert add(silo, row(2)) == [Added(2)]
    assert len(ask(silo, lambda done: silo.writer.clean(WALL + 1000, 100, done)).expired) == 2
    silo.close()


def test_cleaning_takes_what_has_expired_and_nobody_is_sending(silo: Silo) -> None:
    add(
        silo,
        row(1, expires_at=WALL),
        row(2, expires_at=WALL + 10),
        row(3, "x@y", expires_at=WALL),
        row(4, "h@y", expires_at=WALL, state="held"),
    )
    claim(silo, "x@y")
    assert len(ask(silo, lambda done: silo.writer.clean(WALL, 100, done)).expired) == 1
    assert len(ask(silo, lambda done: silo.writer.clean(WALL + 61, 100, done)).expired) == 2
    assert silo.counts() == {"waiting": 0, "held": 1}


def test_bindings_survive_a_restart(database: Database) -> None:
    silo = database.open()
    flow = Flow(Endpoint(UDP, "127.0.0.1", 5060, b""), "192.0.2.1", 5062)
    binding = Binding(
        "bob@example.test", "sip:bob@192.0.2.1", "c1", 7, WALL + 60, WALL, 0.5, ';+sip.instance="<urn:x>"',
        ("<sip:p;lr>",), flow, "<urn:x>", 1, "phone/1", frozenset({"MESSAGE", "INVITE"}),
    )  # fmt: skip
    gone = Binding("bob@example.test", "sip:old@192.0.2.1", "c0", 1, WALL, WALL)
    changes = BindingChanges("bob@example.test", [binding, gone], [])
    assert ask(silo, lambda done: silo.writer.bindings(changes, done)) is None
    silo.writer.bindings(BindingChanges("bob@example.test", [], [gone]), None)
    binding.cseq, binding.expires_at = 8, WALL + 120
    silo.writer.refresh([binding])
    silo.writer.flush()
    ((loaded, way),) = silo.load_bindings()
    loaded.flow = flow
    assert (loaded, way) == (binding, repr(flow))
    silo.close()


def test_a_secret_outlives_a_restart(database: Database) -> None:
    silo = database.open()
    first = silo.secret("record-route")
    assert len(first) == 32
    assert silo.secret("other") != first
    silo.close()
    again = database.open()
    assert again.secret("record-route") == first
    again.close()


def test_recipients_are_listed_once_in_order(silo: Silo) -> None:
    add(silo, row(1, "b@y"), row(2, "a@y"), row(3, "b@y"))
    assert silo.recipients("") == ["a@y", "b@y"]
    assert silo.recipients("a@y") == ["b@y"]
    assert silo.recipients("b@y") == []


@pytest.mark.sqlite
def test_a_full_disk_fails_the_row_and_keeps_what_was_told(database: Database) -> None:
    silo = database.open()
    add(silo, row(1))
    engine_of(silo).db.execute("PRAGMA max_page_count = 30")
    results = add(silo, *(row(n, body=b"x" * 4000) for n in range(2, 60)))
    failed = [result for result in results if isinstance(result, Failed)]
    kept = [result.id for result in results if isinstance(result, Added)]
    assert failed
    assert "no space" in str(failed[0].reason)
    assert sorted([1, *kept]) == [id for (id,) in database.query("SELECT id FROM silo ORDER BY id")]
    silo.close()
