"""Crowd: two honest users, an attacker with an account, a removed user and a stranger, at one daemon with passwords.

The oracle uses no code of the daemon. The rules of the oracle:
- Each request has the real sender in X-By. The request reaches other parties only if From, and an asserted identity,
  name the sender. A stranger and a removed user reach a user only in a dialog begun by the user.
- Each honest text has the recipient in X-For. Other parties never get the text; the recipient gets the text in the end.
- A user's bindings lead to the user's own host, and an honest user's binding stays until the user removes the binding.
- Honest users ask for no receipts and get none, and get at most as many notices as texts sent.
- An honest caller never sees an asserted identity of the answering party.
- Where strangers are let in (`is_open`), strangers reach users only with foreign names in From.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from typing import Final
from urllib.parse import unquote_to_bytes

import trio

from msilod.sip.message import Request, Response
from msilod.store.tables.users import UserRow, UserTable
from tests.agent.requests import head, with_body
from tests.agent.transactions import Agent, Asked, Served
from tests.agent.user_agent import Dialog, of_callee, of_caller
from tests.agent.virtual_wire import Send
from tests.credentials import FIELDS, answer_of
from tests.network.world import DOMAIN, SERVER, World

ALICE, BOB, MALLORY, FORMER, STRANGER = "alice", "bob", "mallory", "ed", "trudy"
HONEST: Final = (ALICE, BOB)
ATTACKERS: Final = (MALLORY, FORMER, STRANGER)
ALIASES: Final = {"901": ALICE, "902": BOB}
HOSTS: Final = {ALICE: 11, BOB: 12, MALLORY: 66, FORMER: 67, STRANGER: 68}
_USER: Final = re.compile(rb"(?i)(?:sips?:([^@;?>]*)@|tel:([^;>]*))")
# Hosts and ports of the daemon in a URI.
_OURS: Final = re.compile(
    rb"(?i)sips?:[^@;?>]*@(?:example\.test\.?|192\.0\.2\.1|\[::ffff:192\.0\.2\.1\])(?::5060)?(?![:\w.])"
)
_CPIM: Final = (
    "From: <sip:{name}@example.test>\r\nTo: <sip:x@example.test>\r\nNS: imdn <urn:ietf:params:imdn>\r\n"
    "imdn.Message-ID: {number}\r\nimdn.Disposition-Notification: processing, negative-delivery\r\n\r\n"
    "Content-Type: text/plain\r\n\r\nevil"
)


def named(value: bytes | None) -> str:
    """The user in a From, a URI or an asserted identity, without escapes and password; "" for none."""
    found = _USER.search(value or b"")
    if found is None:
        return ""
    user = (found[1] if found[1] is not None else found[2]).partition(b":")[0]
    return unquote_to_bytes(user).decode("latin-1")


def is_ours(value: bytes | None) -> bool:
    """True when a From names a user of the daemon's domain."""
    return _OURS.search(value or b"") is not None or b"tel:" in (value or b"").lower()


@dataclass(frozen=True)
class Words:
    """A request to send. `credentials`: "", "own", "name" (of another user), "at" (name@domain)."""

    method: str
    uri: str
    to: str
    from_: str
    contact: str = ""
    expires: str = ""
    extra: str = ""
    body: str = ""
    credentials: str = ""
    call_id: str = ""
    cseq: int = 0
    content_type: str = "text/plain"


class Person(Agent):
    """One party, with an own host. `password`: "" without an account."""

    def __init__(self, crowd: "Crowd", name: str, password: str) -> None:
        super().__init__(crowd.world.wires, name, (f"198.51.100.{HOSTS[name]}", 5060), SERVER)
        self.crowd = crowd
        self.name = name
        self.password = password
        self.statuses: list[int] = []
        self.got: list[bytes] = []
        self.dialogs: list[Dialog[Person]] = []
        self.called: set[bytes] = set()
        self.texts = self.notices = 0
        # How an attacker answers: "" with 200, "asserted" with another's identity, else a redirection to this URI.
        self.manner = ""
        self._serial = count(1)

    # --- requests of the party -------------------------------------------------------------------------

    def say(self, words: Words, proof: str = "", is_again: bool = False) -> Asked:
        """Send the request; answer one challenge if the words have credentials."""
        number = next(self._serial)
        branch, method = self.branch(), words.method
        call_id = words.call_id or f"{self.name}{number}@{self.address[0]}"
        tag = "" if ";tag=" in words.from_ else f";tag={self.name}{number}"
        lines = [f"X-By: {self.name}"]
        lines += [f"Contact: {words.contact}"] if words.contact else []
        lines += [f"Expires: {words.expires}"] if words.expires else []
        lines += [text for text in (words.extra, proof) if text]
        lines += [f"Content-Type: {words.content_type}"] if words.body else []
        via, more = f"{self.via};branch={branch}", "".join(f"{line}\r\n" for line in lines)
        data = head(method, words.uri, via, words.from_ + tag, words.to, call_id, words.cseq or number, more)
        heard = partial(self._heard, words, call_id, is_again)
        return self.ask(with_body(data, words.body), branch, method, heard)

    def _heard(self, words: Words, call_id: str, is_again: bool, response: Response | None) -> None:
        if response is None or response.status < 200:
            return
        self.statuses.append(response.status)
        self.crowd.judge_answer(self, response)
        if response.status in FIELDS and words.credentials and not is_again:
            self.say(words, self._proof(words, response), is_again=True)
        elif response.status < 300 and words.method == "INVITE":
            self._talk(words, response)
        elif response.status < 300 and words.method == "MESSAGE" and self.name in HONEST:
            self.crowd.promised[words.body.encode()] = named(words.to.encode())

    def _proof(self, words: Words, response: Response) -> str:
        others = {"name": self.crowd.other(self.name), "at": f"{self.name}@{DOMAIN}"}
        name = others.get(words.credentials, self.name)
        return answer_of(response, words.method, words.uri, name, self.password)

    def _talk(self, words: Words, response: Response) -> None:
        """The call is taken: remember the dialog, and send the ACK (RFC 3261 §12.1.2, §13.2.2.4)."""
        dialog = of_caller(self, response)
        dialog.target = dialog.target or "sip:x@invalid"
        self.dialogs.append(dialog)
        extra = "\r\n".join(f"Route: {route}" for route in dialog.routes)
        ack = Words(
            "ACK",
            dialog.target,
            dialog.remote,
            dialog.local,
            extra=extra,
            call_id=dialog.call_id,
            cseq=response.cseq,
        )
        self.say(ack).give_up()

    def register(self, expires: int = 3600) -> None:
        """Register the party's own contact; with `expires` 0, remove the binding."""
        own = f"<{self.aor}>"
        contact = f'<{self.contact}>;+sip.instance="<urn:uuid:{self.name}>"'
        self.say(
            Words(
                "REGISTER",
                f"sip:{DOMAIN}",
                own,
                own,
                contact,
                str(expires),
                extra="Supported: gruu",
                credentials="own",
            )
        )

    def text(self, to: str) -> None:
        """Send an honest text with a unique body, for `to` only."""
        body = f"{self.name} to {to} {next(self._serial)}"
        self.texts += 1
        uri = f"sip:{to}@{DOMAIN}"
        self.say(
            Words(
                "MESSAGE",
                uri,
                f"<{uri}>",
                f"<{self.aor}>",
                extra=f"X-For: {to}",
                body=body,
                credentials="own",
            )
        )

    def call(self, uri: str, to: str = "", from_: str = "") -> None:
        """A call; an honest one has the URI in To and the own address in From."""
        call_id = f"call{next(self._serial)}@{self.name}"
        self.called.add(call_id.encode())
        self.say(
            Words(
                "INVITE",
                uri,
                to or f"<{uri}>",
                from_ or f"<{self.aor}>",
                f"<{self.contact}>",
                credentials="own",
                call_id=call_id,
            )
        )

    # --- requests to the party ---------------------------------------------------------------------

    def requested(self, served: Served) -> None:
        request = served.request
        self.crowd.judge(self, request)
        if request.method == b"MESSAGE":
            self.got.append(request.body)
        if self.manner and request.method != b"ACK":
            asserted = f"<sip:{self.crowd.other(self.name)}@{DOMAIN}>".encode()
            if self.manner == "asserted":
                served.respond(180, [(b"P-Asserted-Identity", asserted)])
                served.respond(200, [(b"P-Asserted-Identity", asserted), (b"Contact", asserted)])
            else:
                served.respond(302, [(b"Contact", f"<{self.manner}>".encode())])
            return
        if request.method == b"INVITE":
            dialog = of_callee(self, request, self.tag)
            dialog.target = dialog.target or "sip:x@invalid"
            self.dialogs.append(dialog)
            served.respond(200, [(b"Contact", f"<{self.contact}>".encode())])
            return
        served.respond(200)

    def receive(self, data: bytes, send: Send) -> None:
        if data.startswith(b"ACK "):
            self.crowd.judge_ack(self.name, data)
        super().receive(data, send)


@dataclass
class Crowd:
    """The parties by name, the accepted texts of honest senders (`promised`), and the faults found."""

    world: World
    people: dict[str, Person] = field(default_factory=dict)
    promised: dict[bytes, str] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    removed: set[str] = field(default_factory=set)
    gruus: dict[str, str] = field(default_factory=dict)
    is_open: bool = False
    away: set[str] = field(default_factory=set)

    async def begin(self) -> None:
        """Make the users, and register all parties with a password."""
        self.table = UserTable(self.world.folder / "silo.db", "silo")
        for name in HOSTS:
            password = "" if name == STRANGER else f"secret of {name}"
            if password:
                ha1 = hashlib.md5(f"{name}:{DOMAIN}:{password}".encode()).digest()
                self.table.set(f"{name}@{DOMAIN}", [UserRow(f"{name}@{DOMAIN}", "MD5", DOMAIN, ha1)])
            self.people[name] = Person(self, name, password)
            self.people[name].switch_on()
        await self.world.parts.user_watch.look()
        for name in (*HONEST, MALLORY, FORMER):
            self.people[name].register()
        await trio.sleep(2)
        assert {one.name for one in self.people.values() if 200 in one.statuses} == {*HONEST, MALLORY, FORMER}

    def other(self, name: str) -> str:
        """The user impersonated by an attacker."""
        return BOB if name == FORMER else ALICE

    async def remove_former(self) -> None:
        """The operator removes a user."""
        if FORMER not in self.removed:
            self.table.remove(f"{FORMER}@{DOMAIN}")
            await self.world.parts.user_watch.look()
            self.removed.add(FORMER)

    def is_outside(self, name: str) -> bool:
        """True for a party without an account."""
        return name == STRANGER or name in self.removed

    # --- the oracle ----------------------------------------------------------------------------------

    def body_for(self, name: str, number: int) -> str:
        """A body with a request for receipts in the name of `name`."""
        return _CPIM.format(name=name, number=number)

    def judge(self, at: Person, request: Request) -> None:
        """Check a request received by `at`."""
        by = (request.headers.get(b"x-by") or b"").decode()
        for_ = (request.headers.get(b"x-for") or b"").decode()
        head = request.to_bytes()[:400].decode("latin-1")
        if for_ and at.name != for_:
            self.faults.append(f"{at.name} got a text for {for_}: {head}")
        if not by:
            self._judge_own(at, request, head)
            return
        from_ = request.headers.get(b"from")
        is_own = named(from_) == by or (self.is_open and not is_ours(from_))
        # An attacker may get any From in a dialog begun by the attacker: the attacker has chosen To.
        if not is_own and (at.name in HONEST or request.call_id not in at.called):
            self.faults.append(f"{by} spoke to {at.name} in another's name: {head}")
        asserted = request.headers.get(b"p-asserted-identity")
        if asserted is not None and (named(asserted) != by or self.is_outside(by)):
            self.faults.append(f"{by} was asserted to {at.name} as somebody else: {head}")
        is_let_in = self.is_open and not is_ours(from_)
        if self.is_outside(by) and not is_let_in and at.name in HONEST and request.call_id not in at.called:
            self.faults.append(f"{by}, who is no user, reached {at.name}: {head}")

    def _judge_own(self, at: Person, request: Request, head: str) -> None:
        """Check a request made by the daemon."""
        if at.name not in HONEST or request.method != b"MESSAGE":
            return
        at.notices += 1
        if b"imdn" in request.body.lower() or at.notices > at.texts:
            self.faults.append(f"{at.name} got a receipt or a notice for nothing: {head}")

    def judge_answer(self, at: Person, response: Response) -> None:
        """Check a response received by `at`, and learn GRUUs."""
        if at.name in HONEST and b"p-asserted-identity" in response.headers:
            self.faults.append(f"{at.name} was told who answered: {response.headers!r}")
        if response.cseq_method == b"REGISTER" and at.name in HOSTS:
            found = re.search(rb'temp-gruu="([^"]*)"', response.headers.get(b"contact") or b"")
            if found is not None:
                self.gruus[at.name] = found[1].decode()

    def judge_ack(self, name: str, data: bytes) -> None:
        """Check an ACK received by `name`, now: the sender may be removed later."""
        found = re.search(rb"(?i)\r\nX-By: (\w+)", data)
        if found and name in HONEST and self.is_outside(found[1].decode()) and not self.is_open:
            self.faults.append(f"an ACK of {found[1].decode()} reached {name}")

    async def evening(self) -> None:
        """The honest users come back; all is judged."""
        self.check_bindings()
        for name in HONEST:
            self.people[name].register()
        for name in ATTACKERS:
            self.people[name].manner = ""
        await trio.sleep(400)
        for one, other in ((ALICE, BOB), (BOB, ALICE)):
            self.people[one].text(other)
        await trio.sleep(60)
        self.away.clear()
        self.check_bindings()
        for body, name in self.promised.items():
            if self.people[name].got.count(body) != 1:
                self.faults.append(f"{name} got {body!r} {self.people[name].got.count(body)} times")
        rows = self.world.read("SELECT aor, sender, headers FROM silo")
        for aor, sender, headers in rows:
            by = re.search(
                rb"(?i)X-By: (\w+)", bytes(headers) if not isinstance(headers, str) else headers.encode()
            )
            is_foreign = self.is_open and not sender.endswith(f"@{DOMAIN}")
            if by is not None and sender != f"{by[1].decode()}@{DOMAIN}" and not is_foreign:
                self.faults.append(f"a row for {aor} by {by[1].decode()} is booked on {sender}")
        self.table.close()

    def check_bindings(self) -> None:
        """Check that each binding belongs to the user, and that no honest user's binding is missing."""
        wall = self.world.clock.wall()
        for binding in self.world.parts.location.all():
            if binding.expires_at <= wall:
                continue
            name = binding.aor.partition("@")[0]
            person = self.people.get(name)
            host = binding.flow.host if binding.flow is not None else ""
            if person is None or binding.aor != f"{name}@{DOMAIN}" or host != person.address[0]:
                self.faults.append(f"{binding.aor} is bound to {binding.contact} by {host}")
            if self.is_outside(name):
                self.faults.append(f"{binding.aor}, who is no user, has a binding")
        for name in HONEST:
            bound = self.world.parts.location.bindings(f"{name}@{DOMAIN}", wall)
            expected: Sequence[str] = [] if name in self.away else [self.people[name].contact]
            if [binding.contact for binding in bound] != list(expected):
                self.faults.append(
                    f"{name} is bound to {[binding.contact for binding in bound]}, not to {expected}"
                )
