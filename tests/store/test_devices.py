"""Rows for several devices: each device claims rows without an answer of this device; the last answer ends the row."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from msilod.registrar.binding import Binding
from msilod.store.jobs import Added, BindingChanges, OverQuota
from msilod.store.limits import Limits
from msilod.store.silo import Silo
from tests.store.databases import Database
from tests.store.rows import WALL, add, ask, row

BOB = "bob@example.test"
MONTH = 2_592_000.0
DESK = Binding(BOB, "sip:bob@desk", "reg", 1, WALL + 600, WALL, instance="<urn:uuid:desk>")
CELL = Binding(BOB, "sip:bob@cell", "reg", 1, WALL + 600, WALL, instance="<urn:uuid:cell>")
PLAIN = Binding(BOB, "sip:bob@plain", "reg", 1, WALL + 600, WALL)


@pytest.fixture
def silo(database: Database) -> Iterator[Silo]:
    one = database.open()
    one.configure(Limits(), 604_800.0, MONTH)
    yield one
    one.close()


def bind(silo: Silo, *saved: Binding, removed: tuple[Binding, ...] = ()) -> None:
    silo.writer.bindings(BindingChanges(BOB, saved, removed), None)
    silo.writer.flush()


def claimed(silo: Silo, device: str, wall: float = WALL) -> list[int]:
    found: list[Any] = ask(silo, lambda done: silo.writer.claim_for(device, BOB, 64, 0, (), wall, done))
    return [message.id for message in found]


def serve(silo: Silo, id: int, device: str, status: int = 200, wall: float = WALL) -> None:
    ask(silo, lambda done: silo.writer.serve(id, 0, device, status, "said so", "sip:x", wall, done))


def test_each_device_claims_what_it_has_not_answered(silo: Silo) -> None:
    bind(silo, DESK, CELL)
    add(silo, row(1), row(2))
    assert claimed(silo, DESK.instance) == [1, 2]
    assert claimed(silo, CELL.instance) == [1, 2], "a lease of ours does not keep the other device from it"
    serve(silo, 1, DESK.instance)
    assert claimed(silo, DESK.instance) == [2]
    assert claimed(silo, CELL.instance) == [1, 2]


def test_the_last_answer_ends_the_row(silo: Silo, database: Database) -> None:
    bind(silo, DESK, CELL)
    add(silo, row(1))
    serve(silo, 1, CELL.instance, 603)
    assert database.query("SELECT state, owner FROM silo") == [("waiting", "")]
    serve(silo, 1, DESK.instance)
    assert database.query("SELECT count(*) FROM silo") == [(0,)]
    assert database.query("SELECT how, status FROM silo_ended") == [("delivered", 200)]
    assert database.query("SELECT count(*) FROM silo_served") == [(0,)]
    serve(silo, 1, DESK.instance)
    assert database.query("SELECT count(*) FROM silo_served") == [(0,)], "a late answer leaves nothing"


@pytest.mark.parametrize("status", [200, 603])
def test_a_row_answered_by_all_devices_takes_no_room(silo: Silo, status: int) -> None:
    silo.configure(Limits(max_messages=1), 604_800.0, MONTH)
    bind(silo, DESK)
    assert add(silo, row(1), row(2)) == [Added(1), OverQuota(1, 6)]
    serve(silo, 1, DESK.instance, status)
    assert add(silo, row(2)) == [Added(2)]


def test_when_all_refuse_the_row_is_rejected(silo: Silo, database: Database) -> None:
    bind(silo, DESK, CELL)
    add(silo, row(1))
    serve(silo, 1, CELL.instance, 603)
    serve(silo, 1, DESK.instance, 415)
    assert database.query("SELECT state, last_status FROM silo") == [("rejected", 415)]


def test_a_device_with_an_instance_is_waited_for_when_it_is_gone(silo: Silo, database: Database) -> None:
    bind(silo, DESK, CELL, PLAIN)
    bind(silo, removed=(CELL, PLAIN))
    add(silo, row(1), row(2))
    serve(silo, 1, DESK.instance)
    assert database.query("SELECT id FROM silo") == [(1,), (2,)]
    bind(silo, replace(DESK, expires_at=WALL + 2 * MONTH))
    serve(silo, 2, DESK.instance, wall=WALL + MONTH + 601)
    assert database.query("SELECT id FROM silo") == [(1,)], "but not for ever"


def test_a_device_is_remembered_when_its_binding_is_removed(database: Database) -> None:
    """Also a device that was bound before `devices = "each"` was set."""
    silo = database.open()
    bind(silo, DESK, CELL)
    silo.configure(Limits(), 604_800.0, MONTH)
    bind(silo, removed=(DESK,))
    add(silo, row(1))
    serve(silo, 1, CELL.instance)
    assert database.query("SELECT state FROM silo") == [("waiting",)]
    serve(silo, 1, DESK.instance)
    assert database.query("SELECT count(*) FROM silo") == [(0,)]
    silo.close()


def test_a_device_without_message_is_not_waited_for(silo: Silo, database: Database) -> None:
    bind(silo, DESK, replace(PLAIN, methods=frozenset({"INVITE"})))
    add(silo, row(1))
    serve(silo, 1, DESK.instance)
    assert database.query("SELECT count(*) FROM silo") == [(0,)]


def test_expiry_and_purge_remove_the_answers_of_devices(silo: Silo, database: Database) -> None:
    bind(silo, DESK, CELL)
    add(silo, row(1))
    serve(silo, 1, DESK.instance)
    ask(silo, lambda done: silo.writer.clean(WALL + 1000, 10, done))
    assert database.query("SELECT count(*) FROM silo_served") == [(0,)]


def test_by_default_no_device_is_remembered(database: Database) -> None:
    silo = database.open()
    bind(silo, DESK, CELL)
    assert database.query("SELECT count(*) FROM silo_device") == [(0,)]
    silo.close()


def test_t17_a_row_sent_to_sips_is_for_devices_bound_as_sips(silo: Silo, database: Database) -> None:
    bind(silo, DESK, replace(CELL, contact="SIPS:bob@cell"), replace(PLAIN, contact="sips:bob@plain"))
    bind(silo, removed=(DESK, replace(CELL, contact="SIPS:bob@cell")))
    secret = row(1, request_uri=b"SIPS:bob@example.test")
    add(silo, secret, row(2))
    serve_secret = partial(silo.writer.serve, secret.id, 0)
    ask(silo, lambda done: serve_secret("sips:bob@plain", 200, "OK", "sips:bob@plain", WALL, done))
    assert database.query("SELECT id FROM silo") == [(1,), (2,)], "the cell is waited for"
    ask(silo, lambda done: serve_secret(CELL.instance, 200, "OK", "sips:bob@cell", WALL, done))
    assert database.query("SELECT id FROM silo") == [(2,)], "and nobody else"


def test_t17_a_device_claims_without_them_when_it_may_not_have_them(silo: Silo) -> None:
    bind(silo, DESK)
    add(silo, row(1, request_uri=b"sips:bob@example.test"), row(2))
    (found,) = ask(silo, lambda done: silo.writer.claim_for(DESK.instance, BOB, 1, 0, (), WALL, done, False))
    assert found.id == 2
