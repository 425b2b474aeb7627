"""Security 1: a REGISTER with a foreign port in To was accepted without a password, and bound to the user.

One function decides which mailbox a URI names. This module writes addresses in all forms of SIP, and checks that gate,
registrar, silo and command line agree.
"""

import io
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from msilo_cli import filters
from msilo_cli.commands.inject_cmd import inject
from msilo_cli.session import Output, Session
from msilod.config import AuthConfig, Config, SiloConfig
from msilod.control.verbs import ControlVerbs
from msilod.errors import UnavailableError, UsageError
from tests.faults.accounts import Line, with_users
from tests.network.transports import VirtualTransports
from tests.network.world import World, play

ALICE, BOB, DOOR, NUMBER = (
    "alice@example.test",
    "bob@example.test",
    "9901%231@example.test",
    "+4930@example.test",
)
USERS = {ALICE: "alice", BOB: "bob", DOOR: "9901#1", NUMBER: "+4930"}
ADDRESSES = ["192.0.2.1", "127.0.0.1", "::1", "2001:db8::1"]
ALIASES = {r"00(\d+)": r"+\1", "boss": "alice", "gone": "gone@foreign.example"}
CONTACT = "<sip:line@198.51.100.77:5060>"
# A GRUU of Alice's phone, from the 200 to the REGISTER.
PUBLIC, TEMPORARY = "{public}", "{temporary}"

# The spelling of an address, and the AOR.
OURS = [
    ("sip:alice@example.test", ALICE),
    ("sips:alice@example.test", ALICE),
    ("SIP:alice@EXAMPLE.Test", ALICE),
    ("sip:alice@example.test.", ALICE),
    ("sip:alice@example.test:5060", ALICE),
    ("sip:alice@Example.Test.:5060", ALICE),
    ("sip:%61lice@example.test", ALICE),
    ("sip:%61%6C%69%63%65@example.test", ALICE),
    ("sip:alice:password@example.test", ALICE),
    ("sip:alice@example.test;transport=tcp", ALICE),
    ("sip:alice@example.test;user=phone", ALICE),
    ("sip:alice@example.test;x=1;y", ALICE),
    ("sip:alice@192.0.2.1", ALICE),
    ("sip:alice@192.0.2.1:5060", ALICE),
    ("sip:alice@[::ffff:192.0.2.1]", ALICE),
    ("sip:alice@[::FFFF:c000:201]:5060", ALICE),
    ("sip:alice@127.0.0.1", ALICE),
    ("sip:alice@localhost", ALICE),
    ("sip:alice@LOCALHOST.:5060", ALICE),
    ("sip:alice@[::1]", ALICE),
    ("sip:alice@[0:0:0:0:0:0:0:1]:5060", ALICE),
    ("sip:alice@[2001:db8::1]", ALICE),
    ("sip:alice@[2001:DB8:0:0:0:0:0:1]:5060", ALICE),
    ("sip:boss@example.test", ALICE),
    ("sips:bos%73@localhost.;user=phone", ALICE),
    (PUBLIC, ALICE),
    (TEMPORARY, ALICE),
    ("sip:9901#1@example.test", DOOR),
    ("sip:9901%231@example.test", DOOR),
    ("sips:9901#1@192.0.2.1:5060", DOOR),
    ("tel:+4930", NUMBER),
    ("tel:+49-30", NUMBER),
    ("TEL:004930", NUMBER),
    ("tel:+4930;phone-context=example.test", NUMBER),
    ("sip:+4930@example.test;user=phone", NUMBER),
    ("sip:004930@localhost", NUMBER),
]
# These name no mailbox here: a foreign port, another domain, no user, a forged or foreign name.
NOT_OURS = [
    "sip:alice@example.test:9",
    "sip:alice@example.test.:9",
    "SIP:%61lice@EXAMPLE.test:5061",
    "sips:alice@example.test:5061",
    "sip:alice:password@example.test:9;user=phone",
    "sip:alice@192.0.2.1:9",
    "sip:alice@[::ffff:192.0.2.1]:9",
    "sip:alice@localhost:9",
    "sip:alice@[2001:db8::1]:9",
    "sip:boss@example.test:9",
    "sip:9901#1@example.test:9",
    "sip:+4930@example.test:9;user=phone",
    "{public}".replace("}", ":9}"),
    "{temporary}".replace("}", ":9}"),
    "sip:dG9rZW4@example.test;gr",
    "sip:alice@sub.example.test",
    "sip:alice@example.test.foreign.example",
    "sip:example.test",
    "sip:gone@example.test",
]
# User parts are case-sensitive: this is another AOR in our domain, without a user.
ANOTHER = "sip:Alice@example.test"

Tell = Callable[[str], str]


class Asking(Session):
    """The session of a command line. The daemon runs in this process and answers each call."""

    verbs: ControlVerbs | None = None

    def ask(self, method: str, params: dict[str, Any], timeout: float = 5.0) -> Any:
        if self.verbs is None or method != "names":
            raise UnavailableError("no daemon")
        return self.verbs.names(params)


def session(world: World, has_daemon: bool) -> Asking:
    listen = [f"{f'[{address}]' if ':' in address else address}:5060" for address in ADDRESSES]
    config = world.folder / "msilod.toml"
    aliases = "".join(f"'{pattern}' = '{name}'\n" for pattern, name in ALIASES.items())
    config.write_text(f'domains = ["example.test"]\n[listen]\nudp = {listen}\ntcp = []\n[aliases]\n{aliases}')
    made = Asking(
        config, f"sqlite:///{world.folder / 'silo.db'}", out=Output(io.StringIO()), err=io.StringIO()
    )
    made.verbs = world.verbs() if has_daemon else None
    return made


def run(
    folder: Path, monkeypatch: pytest.MonkeyPatch, story: Callable[[World, Line, Tell], Any], **silo: Any
) -> None:
    """Play `story` with users, alice's phone having registered; `Tell` writes a spelling out."""
    monkeypatch.setattr(VirtualTransports, "local_addresses", lambda self: ADDRESSES)
    with_users(folder, list(USERS))
    config = msgspec.structs.replace(
        Config(), aliases=ALIASES, auth=AuthConfig(inbound="anybody"), silo=SiloConfig(**silo)
    )

    async def main(world: World) -> None:
        line = Line(world)
        phone = f'Supported: gruu\r\nContact: {CONTACT};+sip.instance="<urn:uuid:1>"\r\n'
        answer = await line.say(
            "REGISTER", "sip:example.test", "sip:x@y", "sip:alice@example.test", phone, user="alice"
        )
        assert answer.status == 200
        told = (answer.headers.get(b"contact") or b"").decode()
        public, temporary = (
            told.partition(f'{name}-gruu="')[2].partition('"')[0] for name in ("pub", "temp")
        )
        words = {
            PUBLIC: public,
            TEMPORARY: temporary,
            "{public:9}": port(public),
            "{temporary:9}": port(temporary),
        }
        await story(world, line, lambda spelling: words.get(spelling, spelling))

    play(folder, main, config=config)


def port(uri: str) -> str:
    return uri.replace(";gr", ":9;gr")


def bound(world: World) -> dict[str, list[str]]:
    """The bindings of each AOR, in memory; the database has the same."""
    found: dict[str, list[str]] = {}
    for binding in world.parts.location.all():
        found.setdefault(binding.aor, []).append(binding.contact)
    kept: dict[str, list[str]] = {}
    for aor, contact in world.read("SELECT aor, contact FROM silo_location"):
        kept.setdefault(aor, []).append(contact)
    assert {aor: sorted(uris) for aor, uris in found.items()} == {
        aor: sorted(uris) for aor, uris in kept.items()
    }
    return found


NEW = "Contact: <sip:new@198.51.100.77:5060>\r\n"
CHANGES = [NEW, "Contact: *\r\nExpires: 0\r\n", f"Contact: {CONTACT};expires=0\r\n", ""]


@pytest.mark.parametrize(("spelling", "aor"), OURS)
def test_registration_query_and_removal_want_the_password_of_the_mailbox(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spelling: str, aor: str
) -> None:
    async def story(world: World, line: Line, tell: Tell) -> None:
        async def register(lines: str, user: str = "") -> int:
            return (await line.say("REGISTER", "sip:example.test", to, to, lines, user=user)).status

        to, before = tell(spelling), bound(world)
        for lines in CHANGES:
            assert await register(lines) == 401
            assert await register(lines, "bob") == 403
            assert bound(world) == before
        assert await register(NEW, USERS[aor]) == 200
        after = bound(world)
        assert "sip:new@198.51.100.77:5060" in after.pop(aor)
        assert all(after[other] == before[other] for other in after)
        answer = await line.say("REGISTER", "sip:example.test", to, to, user=USERS[aor])
        assert (answer.status, b"sip:new@" in b"".join(answer.headers.get_all(b"contact"))) == (200, True)
        assert await register("Contact: *\r\nExpires: 0\r\n", USERS[aor]) == 200
        assert aor not in bound(world)

    run(tmp_path, monkeypatch, story)


@pytest.mark.parametrize("spelling", NOT_OURS)
def test_a_to_that_names_no_mailbox_is_404_and_binds_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spelling: str
) -> None:
    async def story(world: World, line: Line, tell: Tell) -> None:
        to, before = tell(spelling), bound(world)
        for lines in CHANGES:
            for user in ("", "alice", "9901#1"):
                answer = await line.say("REGISTER", "sip:example.test", to, to, lines, user=user)
                assert (answer.status, answer.headers.get(b"contact")) == (404, None)
        assert bound(world) == before

    run(tmp_path, monkeypatch, story)


@pytest.mark.parametrize(("spelling", "aor"), OURS)
@pytest.mark.parametrize("mode", [0, 2])
def test_sending_and_storing_name_the_same_mailbox(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spelling: str, aor: str, mode: int
) -> None:
    """From decides the password and the sender of the row; Request-URI (modes 0, 1) or To (mode 2) the mailbox."""

    async def story(world: World, line: Line, tell: Tell) -> None:
        uri = tell(spelling)
        assert (
            await line.say("MESSAGE", "sip:bob@example.test", uri, "sip:bob@example.test", body="a")
        ).status == 407
        answer = await line.say(
            "MESSAGE", "sip:bob@example.test", uri, "sip:bob@example.test", body="b", user=USERS[aor]
        )
        assert answer.status == 202
        assert (world.column("aor"), world.column("sender")) == ([BOB], [aor])
        # Without a binding, so messages are stored.
        await line.say(
            "REGISTER", "sip:example.test", "sip:x@y", "sip:alice@example.test", CHANGES[1], user="alice"
        )
        target, to = (uri, "sip:bob@example.test") if mode == 0 else ("sip:bob@example.test", uri)
        answer = await line.say("MESSAGE", target, "sip:bob@example.test", to, body="c", user="bob")
        assert answer.status == 202
        assert world.column("aor") == [BOB, aor]

    run(tmp_path, monkeypatch, story, mode=mode)


@pytest.mark.parametrize("spelling", NOT_OURS)
def test_a_sender_who_is_not_ours_is_never_booked_on_a_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spelling: str
) -> None:
    """`inbound = "anybody"`: a From with a foreign port is booked on no user (row, notice, hourly limit)."""

    async def story(world: World, line: Line, tell: Tell) -> None:
        uri = tell(spelling)
        answer = await line.say("MESSAGE", "sip:bob@example.test", uri, "sip:bob@example.test", body="a")
        assert answer.status in (202, 403)
        assert not set(world.column("sender")) & set(USERS)
        hours = {sender for (sender,) in world.read("SELECT sender FROM silo_sender_hour")}
        assert not hours & set(USERS)
        assert not [request for request in line.requests if request.method == b"MESSAGE"]

    run(tmp_path, monkeypatch, story, max_per_hour=100, registrar="sip:registrar@example.test")


@pytest.mark.parametrize("spelling", NOT_OURS)
@pytest.mark.parametrize("mode", [0, 2])
def test_what_is_sent_to_no_mailbox_is_not_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spelling: str, mode: int
) -> None:
    async def story(world: World, line: Line, tell: Tell) -> None:
        uri = tell(spelling)
        target, to = (uri, "sip:bob@example.test") if mode == 0 else ("sip:bob@example.test", uri)
        answer = await line.say("MESSAGE", target, "sip:stranger@foreign.example", to, body="a")
        if (spelling, mode) == ("sip:example.test", 0):
            # m_store passes over a URI without a user: To is the recipient.
            assert (answer.status, world.column("aor")) == (202, [BOB])
            return
        assert answer.status >= 400
        assert world.column("aor") == []

    run(tmp_path, monkeypatch, story, mode=mode)


@pytest.mark.parametrize("has_daemon", [True, False])
def test_the_command_line_reads_each_spelling_as_the_daemon_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_daemon: bool
) -> None:
    async def story(world: World, line: Line, tell: Tell) -> None:
        command, verbs = session(world, has_daemon), world.verbs()
        for spelling, aor in OURS:
            uri = tell(spelling)
            assert world.parts.myself.identify(uri.replace("#", "%23").encode()).aor == aor, uri
            assert verbs._names.aor(uri) == aor, uri
            before = set(world.column("id"))
            inject(SimpleNamespace(obj=command), uri, "text", sender=uri)  # type: ignore[arg-type]
            (new,) = world.read(f"SELECT id, aor, sender FROM silo WHERE id > {max(before, default=0)}")
            assert new[1:] == (aor, aor), uri
            for selection in (filters.select(command, [uri]), filters.select(command, sender=uri)):
                assert new[0] in [row.id for row in command.queue.messages(selection, command.now())], uri
        for spelling in NOT_OURS:
            uri = tell(spelling)
            assert world.parts.myself.identify(uri.replace("#", "%23").encode()).aor == "", uri
            try:
                found = filters.recipient(command, uri)
            except UsageError:
                continue
            # A foreign address, unchanged.
            assert not world.parts.myself.is_aor(found), uri
        command.close()

    run(tmp_path, monkeypatch, story)


def test_the_case_of_a_user_part_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(world: World, line: Line, tell: Tell) -> None:
        before = bound(world)
        for user, status in (("", 401), ("alice", 403)):
            answer = await line.say("REGISTER", "sip:example.test", ANOTHER, ANOTHER, NEW, user=user)
            assert answer.status == status
        assert bound(world) == before
        assert filters.recipient(session(world, True), ANOTHER) == "Alice@example.test"

    run(tmp_path, monkeypatch, story)
