"""Registering: REGISTER requests with header lines of a test, sent by a phone of the virtual network."""

import re

import trio

from msilod.sip.message import Response
from tests.agent.requests import with_body
from tests.network.phone import Phone


class Registrations:
    """The REGISTERs of one phone, with one Call-ID and increasing CSeq."""

    def __init__(self, phone: Phone, call_id: str = "") -> None:
        phone.switch_on()
        self.phone = phone
        self.call_id = call_id or f"registrations@{phone.user}"
        self.cseq = 0

    async def send(self, lines: str, cseq: int = 0) -> Response:
        """Send a REGISTER with `lines`, each with CRLF. Returns the final response. `cseq` 0: the next CSeq."""
        phone = self.phone
        self.cseq = cseq or self.cseq + 1
        branch = phone.branch()
        head = phone.head("REGISTER", "sip:example.test", phone.aor, self.call_id, self.cseq, branch)
        came, answers = trio.Event(), []

        def heard(response: Response | None) -> None:
            answers.append(response)
            came.set()

        phone.ask(with_body(head + lines), branch, "REGISTER", heard)
        await came.wait()
        answer = answers[-1]
        assert answer is not None, "no answer"
        return answer


def contacts(response: Response) -> list[str]:
    """The URIs in the Contact fields of a 200."""
    values = response.headers.split(b"contact")
    found = [re.search(rb"<([^>]*)>", value) for value in values]
    return [match[1].decode() for match in found if match is not None]


def warning(response: Response) -> str:
    """The text of the Warning field, "" without one (RFC 3261 §20.43)."""
    value = (response.headers.get(b"warning") or b"").decode()
    return value.partition('"')[2].rpartition('"')[0]
