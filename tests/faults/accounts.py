"""Accounts: a daemon with users on the virtual network, and a client with requests written by hand."""

import hashlib
from collections.abc import Sequence
from itertools import count
from pathlib import Path

import trio

from msilod.sip.message import Request, Response
from msilod.sip.parser import parse
from msilod.store.engine.choice import sqlite_url
from msilod.store.limits import Limits
from msilod.store.silo import Silo
from msilod.store.tables.users import UserRow, UserTable
from tests.credentials import FIELDS, answer_of
from tests.network.agent import Agent, Send
from tests.network.ladder import Address
from tests.network.world import SERVER, World

REALM = "example.test"
PASSWORD = "secret"
HOST: Address = ("198.51.100.77", 5060)
_serial = count(1)


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
        super().__init__(world.wires, address, SERVER)
        self.answers: list[Response] = []
        self.requests: list[Request] = []
        self.switch_on()

    def _receive(self, data: bytes, send: Send) -> None:
        heard = parse(data)
        if isinstance(heard, Response):
            self.answers.append(heard)
            return
        self.requests.append(heard)
        via, to, *rest = (
            heard.headers.get(name) or b"" for name in (b"via", b"to", b"from", b"call-id", b"cseq")
        )
        lines = [b"SIP/2.0 200 OK", b"Via: " + via, b"To: " + to + b";tag=z"]
        lines += [
            name + value for name, value in zip((b"From: ", b"Call-ID: ", b"CSeq: "), rest, strict=True)
        ]
        send(b"\r\n".join([*lines, b"Content-Length: 0", b"", b""]))

    async def send(
        self, method: str, uri: str, from_: str, to: str, lines: str = "", body: str = "", user: str = "",
        call_id: str = "",
    ) -> Response:  # fmt: skip
        """Send a request and return the final response. With `user`, a digest name, a challenge is answered first."""
        call_id = call_id or f"line-{next(_serial)}"
        answer = await self._say(method, uri, from_, to, lines, body, call_id)
        if not user or answer.status not in FIELDS:
            return answer
        return await self._say(
            method,
            uri,
            from_,
            to,
            answer_of(answer, method, uri, user, PASSWORD) + "\r\n" + lines,
            body,
            call_id,
        )

    async def _say(
        self, method: str, uri: str, from_: str, to: str, lines: str, body: str, call_id: str
    ) -> Response:
        number = next(_serial)
        kind = "Content-Type: text/plain\r\n" if body and "Content-Type" not in lines else ""
        head = (
            f"{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {self.address[0]}:{self.address[1]};rport;"
            f"branch=z9hG4bK-line-{number}\r\nMax-Forwards: 70\r\nFrom: <{from_}>;tag=t\r\nTo: <{to}>\r\n"
            f"Call-ID: {call_id}\r\nCSeq: {number} {method}\r\n{lines}{kind}Content-Length: {len(body)}\r\n\r\n{body}"
        )
        self.answers.clear()
        self.transmit(head.encode())
        await trio.sleep(0.5)
        (answer,) = (heard for heard in self.answers if heard.status >= 200)
        return answer
