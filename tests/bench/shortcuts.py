"""The transaction layer with its two short cuts, and with the steps through the tables that they stand for."""

import tracemalloc
from gc import collect

from msilod.sip.flow import Flow
from msilod.sip.message import Response
from msilod.transaction.client_side import ClientTransactions
from msilod.transaction.completed import TIMER_J, Answer
from msilod.transaction.responses import take_top_via
from msilod.transaction.server_side import ServerTransactions
from msilod.transaction.server_transaction import ServerTransaction
from msilod.transaction.tables import Action, Input
from msilod.transaction.timers import T4
from tests.bench.layer import ALICE, BOB, MANY, Silo, answer_to, best, requests, say, say_bytes


class ServersByTable(ServerTransactions):
    """Without the short cut: a completed transaction lives on, and Timer J ends it."""

    def _complete(self, transaction: ServerTransaction, data: bytes, answer: Answer, now: float) -> None:
        if self._step(transaction, Input.FINAL, now) is Action.SEND:
            self._timers.add(TIMER_J, transaction.key, now)
            transaction.last = data
            self._put(transaction, data, now)

    def _fire(self, transaction: ServerTransaction, span: float, now: float) -> None:
        if span == TIMER_J:
            self._step(transaction, Input.TIMER_J, now)


class ClientsByTable(ClientTransactions):
    """Without the short cut: a transaction with its final response lives on, and Timer K ends it."""

    def receive(self, response: Response, flow: Flow, now: float) -> None:
        transaction = self._match(response)
        if transaction is not None:
            take_top_via(response)
            self._step(transaction, Input.FINAL, now, response)
            transaction.alarm = self._timers.add(T4, transaction.branch, now)


def each_way(servers: type[ServerTransactions], clients: type[ClientTransactions], name: str) -> None:
    """Time and memory of final answers, in and out, their last timers included."""
    silo = Silo()
    silo.layer._servers = servers(silo.send, b"secret", 10**9)
    silo.layer.serve(silo)
    silo.layer._clients = clients(silo.send)
    silo.is_storing = False
    now = 0.0

    def prepare_servers() -> list[object]:
        made: list[object] = []
        for item in requests():
            silo.layer.receive_request(item, ALICE, now)  # type: ignore[arg-type]
            made.append(silo.server)
        return made

    def answer(items: list[object]) -> None:
        nonlocal now
        for server in items:
            server.respond(202, now)  # type: ignore[attr-defined]
        now += 40.0
        silo.layer.handle_timeout(now)

    def prepare_clients() -> list[object]:
        made: list[object] = []
        for server in prepare_servers():
            assert isinstance(server, ServerTransaction)
            silo.server = server
            silo.relay(now)
            made.append(answer_to(silo.sent))
        silo.relays = dict.fromkeys(silo.relays)
        return made

    def receive(items: list[object]) -> None:
        nonlocal now
        for response in items:
            silo.layer.receive_response(response, BOB, now)  # type: ignore[arg-type]
        now += 10.0
        silo.layer.handle_timeout(now)

    say(best(prepare_servers, answer), f"NIST final answer, by the {name}, with Timer J")
    say(best(prepare_clients, receive), f"NICT final response, by the {name}, with Timer K")
    collect()
    tracemalloc.start()
    waiting = prepare_servers()
    for server in waiting:
        server.respond(202, now)  # type: ignore[attr-defined]
    del waiting, server
    silo.server = None
    collect()
    say_bytes(tracemalloc.get_traced_memory()[0] / MANY, f"kept for each NIST until Timer J, by the {name}")
    tracemalloc.stop()


def table() -> None:
    """The same messages with and without the short cuts."""
    each_way(ServerTransactions, ClientTransactions, "short cut")
    each_way(ServersByTable, ClientsByTable, "table")
