"""A little nameserver on loopback: zone-file lines in, answers out, and a list of what was asked.

A name that ends in `silent.test.` is never answered, one in `broken.test.` with SERVFAIL.
"""

import socket
import threading

import dns.exception
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset


class Nameserver:
    """`zone` may be set at any time; lines are `NAME KIND DATA`, names with their last dot."""

    def __init__(self) -> None:
        self.zone = ""
        self.asked: list[tuple[str, str]] = []
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    @property
    def address(self) -> str:
        host, port = self.socket.getsockname()
        return f"{host}:{port}"

    def close(self) -> None:
        """A datagram of no bytes ends the thread."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
            last.sendto(b"", self.socket.getsockname())
        self._thread.join(5)
        self.socket.close()

    def _serve(self) -> None:
        while True:
            wire, peer = self.socket.recvfrom(4096)
            if not wire:
                return
            query = dns.message.from_wire(wire)
            name = str(query.question[0].name)
            self.asked.append((name, dns.rdatatype.to_text(query.question[0].rdtype)))
            if not name.endswith("silent.test."):
                self.socket.sendto(self._answer(query, name).to_wire(), peer)

    def _answer(self, query: dns.message.Message, asked: str) -> dns.message.Message:
        answer = dns.message.make_response(query)
        if asked.endswith("broken.test."):
            answer.set_rcode(dns.rcode.SERVFAIL)
            return answer
        kind, name = dns.rdatatype.to_text(query.question[0].rdtype), asked
        lines = [line.split(maxsplit=2) for line in self.zone.splitlines() if line.strip()]
        seen: set[str] = set()
        while name not in seen:
            seen.add(name)
            for owner, its_kind, data in lines:
                if owner in (asked, name):
                    if its_kind in (kind, "CNAME"):
                        answer.answer.append(dns.rrset.from_text(owner, 60, "IN", its_kind, data))
                    if its_kind == "CNAME":
                        name = data
        if not any(owner == asked for owner, _, _ in lines):
            answer.set_rcode(dns.rcode.NXDOMAIN)
        return answer
