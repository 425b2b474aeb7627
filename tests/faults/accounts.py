"""Accounts: a daemon with users on the virtual network, and a client with requests written by hand."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import trio

from msilod.sip.message import Request, Response, build_response
from msilod.sip.parser import parse
from msilod.store.engine.choice import sqlite_url
from msilod.store.limits import Limits
from msilod.store.silo import Silo
from msilod.store.tables.users import UserRow, UserTable
from tests.agent.requests import with_credentials
from tests.agent.transactions import Agent
from tests.agent.user_agent import serial
from tests.agent.virtual_wire import Send
from tests.credentials import FIELDS
from tests.network.ladder import Address
from tests.network.world import SERVER, World

REALM = "example.test"
PASSWORD = "secret"
HOST: Address = ("198.51.100.77", 5060)


def with_users(folder: Path, aors: Sequence[str]) -> None:
    """Make a silo in `folder` with these users. The digest name is the unescaped user part."""
    silo = Silo(sqlite_url(folder / "silo.db"), "silo", Limits(), 0)
    silo.start("node", None)
    silo.close()
    table = UserTable(folder / "silo.db", "silo")
    for aor in aors:
        name = aor.rpartition("@")[0].replace("%23", "#")
        secret = hashlib.md5(f"{name}:{REALM}:{PASSWORD}".encode()).digest()
        table.set(aor, [UserRow(aor, "MD5", REALM, secret)])
    table.close()


class Line(Agent):
    """Sends requests as written, from one address, and receives the responses."""

    def __init__(self, world: World, address: Address = HOST) -> None:
        super().__init__(world.wires, "", address, SERVER)
        self.answers: list[Response] = []
        self.requests: list[Request] = []
        self.switch_on()

    def receive(self, data: bytes, send: Send) -> None:
        heard = parse(data)
        if isinstance(heard, Response):
            self.answers.append(heard)
            return
        self.requests.append(heard)
        send(build_response(heard, 200, to_tag=b"z").to_bytes())

    async def say(
        self, method: str, uri: str, from_: str, to: str, lines: str = "", body: str = "", user: str = "",
        call_id: str = "",
    ) -> Response:  # fmt: skip
        """Send a request and return the final response. With `user`, a digest name, a challenge is answered first."""
        number = next(serial)
        kind = "Content-Type: text/plain\r\n" if body and "Content-Type" not in lines else ""
        call_id = call_id or f"line-{number}"
        data = self.request(
            method,
            uri,
            f"<{to}>",
            lines + kind,
            call_id,
            f"<{from_}>;tag=t",
            number,
            body,
            f"z9hG4bK-line-{number}",
        )
        answer = await self.answer_to(data)
        if not user or answer.status not in FIELDS:
            return answer
        again = f"z9hG4bK-line-{next(serial)}"
        return await self.answer_to(with_credentials(data, answer, again, user, PASSWORD))

    async def answer_to(self, data: bytes) -> Response:
        """Send bytes as written, and return the final response, within half a second."""
        self.answers.clear()
        self.send(data)
        await trio.sleep(0.5)
        (answer,) = (heard for heard in self.answers if heard.status >= 200)
        return answer
