"""Attacks by hypothesis on a crowd: no party gets, removes or sends messages and bindings of another user.

An attacker writes addresses in all forms of RFC 3261 and in some forbidden ones, and uses all facts known to the
attacker: an own password, GRUUs, Record-Routes and Call-IDs of calls with the honest users. crowd.py has the rules. CI
plays the same plans each time. More plans, and new ones:

    MSILOD_ATTACKS=2000 pytest tests/network/test_adversary.py

With MSILOD_SHRINK=1 hypothesis looks for the smallest failing plan, for some minutes.
"""

import os
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import trio
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from msilod.config import Config
from tests.network.crowd import ALIASES, ATTACKERS, BOB, HONEST, MALLORY, STRANGER, Crowd, Words
from tests.network.world import DOMAIN, SERVER, World, configured, play

PLANS = int(os.environ.get("MSILOD_ATTACKS", "80"))
STEPS = 25

SCHEMES = ["sip", "sip", "sip", "sips", "SIP"]
USERS = [
    "{u}",
    "{u}",
    "{u}",
    "%{x}{rest}",
    "{U}",
    "{u}:pw",
    "{u};phone-context=x",
    "{alias}",
    "{u}%40" + DOMAIN,
]
PLACES = [
    DOMAIN, DOMAIN, DOMAIN, DOMAIN.upper(), DOMAIN + ".", DOMAIN + ":5060", DOMAIN + ":9", DOMAIN + ".:9", SERVER[0],
    f"{SERVER[0]}:{SERVER[1]}", f"{SERVER[0]}:9", "localhost", "127.0.0.1", f"[::ffff:{SERVER[0]}]", "foreign.test",
    "198.51.100.66", "198.51.100.11:5060",
]  # fmt: skip
TAILS = [
    "", "", "", ";user=phone", ";transport=tcp", ";transport=udp;lr", ";gr", ";gr=urn:uuid:1", ";maddr=192.0.2.1",
    ";x=y;z", "?X-By=alice", ";method=REGISTER",
]  # fmt: skip
SHAPES = ["<{}>", "<{}>", "<{}>", '"Alice" <{}>', "{}"]
MORE = [
    "", "", "", "P-Asserted-Identity: <sip:{victim}@example.test>", "p-asserted-identity : sip:{victim}@example.test",
    "P-Preferred-Identity: <sip:{victim}@example.test>", "Path: <sip:{place};lr>", "Path: <sip:192.0.2.1;lr>",
    "Record-Route: <sip:{place};lr>", "Route: <sip:192.0.2.1;lr>", "f: <sip:{victim}@example.test>;tag=z", "imdn",
    "Privacy: id\r\nP-Asserted-Identity: <sip:{victim}@example.test>", "Require: outbound", "Supported: path, gruu",
]  # fmt: skip
METHODS = [
    "REGISTER", "REGISTER", "REGISTER", "MESSAGE", "MESSAGE", "MESSAGE", "INVITE", "OPTIONS", "SUBSCRIBE", "NOTIFY",
    "REFER", "PUBLISH", "BYE", "INFO", "UPDATE", "ACK", "CANCEL",
]  # fmt: skip


@st.composite
def addresses(draw: st.DrawFn) -> tuple[str, str, str, str, str]:
    """The parts of a URI: scheme, user, place, tail, shape. "{u}" stands for the user."""
    parts = (SCHEMES, USERS, PLACES, TAILS, SHAPES)
    return tuple(draw(st.sampled_from(choices)) for choices in parts)  # type: ignore[return-value]


ADDRESS = addresses()
Parts = tuple[str, str, str, str, str]


def spelt(parts: Parts, user: str) -> tuple[str, str]:
    """(URI, header value) of a user, with an alias if the user has one."""
    scheme, name, place, tail, shape = parts
    alias = next((alias for alias, other in ALIASES.items() if other == user), user)
    name = name.format(u=user, U=user.upper(), alias=alias, x=f"{ord(user[0]):02x}", rest=user[1:])
    uri = f"{scheme}:{name}@{place}{tail}"
    return uri, shape.format(uri)


class Plan(RuleBasedStateMachine):
    """The steps of one example, played at the end."""

    def __init__(self) -> None:
        super().__init__()
        self.steps: list[Callable[[Crowd], Awaitable[None]]] = []

    @rule(
        who=st.sampled_from(ATTACKERS), victim=st.sampled_from(HONEST),
        claim=st.sampled_from(["victim", "victim", "own"]),
        method=st.sampled_from(METHODS), uri=ADDRESS, to=ADDRESS, from_=ADDRESS, contact=ADDRESS,
        is_uri_domain=st.booleans(), is_to_own=st.booleans(),
        contact_kind=st.sampled_from(["own", "own", "address", "victim", "star", "none"]),
        expires=st.sampled_from(["", "600", "0"]), credentials=st.sampled_from(["", "own", "own", "name", "at"]),
        learnt=st.sampled_from(["", "", "", "route", "dialog", "respelt", "target"]),
        gruu=st.sampled_from(["", "", "", "uri", "to", "from", "contact"]), more=st.sampled_from(MORE),
    )  # fmt: skip
    def attack(self, **chosen: object) -> None:
        self.steps.append(partial(_attack, **chosen))  # type: ignore[arg-type]

    @rule(
        who=st.sampled_from(ATTACKERS), whom=st.sampled_from(ATTACKERS), victim=st.sampled_from(HONEST),
        to=ADDRESS, from_=ADDRESS, claim=st.sampled_from(["own", "own", "victim"]),
    )  # fmt: skip
    def attackers_call(self, **chosen: object) -> None:
        self.steps.append(partial(_call_together, **chosen))  # type: ignore[arg-type]

    @rule(
        who=st.sampled_from(ATTACKERS), victim=st.sampled_from(HONEST), uri=ADDRESS,
        manner=st.sampled_from(["", "", "asserted", "address", "contact", "gruu"]),
    )  # fmt: skip
    def attacker_answers(self, **chosen: object) -> None:
        self.steps.append(partial(_answer, **chosen))  # type: ignore[arg-type]

    @rule(who=st.sampled_from(ATTACKERS), is_stream=st.booleans())
    def attacker_connects(self, who: str, is_stream: bool) -> None:
        self.steps.append(partial(_connect, who=who, is_stream=is_stream))

    @rule()
    def daemon_is_killed(self) -> None:
        self.steps.append(_restart)

    @rule(one=st.sampled_from(HONEST))
    def honest_text(self, one: str) -> None:
        self.steps.append(partial(_text, one=one))

    @rule(one=st.sampled_from(HONEST), whom=st.sampled_from([STRANGER, MALLORY, MALLORY]))
    def honest_call(self, one: str, whom: str) -> None:
        self.steps.append(partial(_call, one=one, whom=whom))

    @rule(victim=st.sampled_from(HONEST))
    def mallory_calls(self, victim: str) -> None:
        self.steps.append(partial(_call, one=MALLORY, whom=victim))

    @rule(one=st.sampled_from(HONEST), comes=st.booleans())
    def honest_moves(self, one: str, comes: bool) -> None:
        self.steps.append(partial(_move, one=one, comes=comes))

    @rule()
    def user_is_removed(self) -> None:
        self.steps.append(lambda crowd: crowd.remove_former())

    @initialize(is_open=st.booleans(), use_contact=st.booleans())
    def begin(self, is_open: bool, use_contact: bool) -> None:
        self.is_open, self.use_contact = is_open, use_contact

    def teardown(self) -> None:
        async def story(world: World) -> None:
            crowd = Crowd(world, is_open=self.is_open)
            crowds.append(crowd)
            await crowd.begin()
            for step in self.steps:
                await step(crowd)
                await trio.sleep(0.2)
            await trio.sleep(40)
            await crowd.evening()

        crowds: list[Crowd] = []
        with TemporaryDirectory() as folder:
            world = play(Path(folder), story, config=self._config())
        faults = "\n".join(crowds[0].faults)
        assert not faults, f"{faults}\n{world.ladder.draw()}"
        assert not world.parts.counters.internal_errors

    def _config(self) -> Config:
        inbound = "anybody" if self.is_open else "nobody"
        silo = {"registrar": f"sip:silo@{DOMAIN}", "use_contact": self.use_contact, "imdn": True}
        return configured(aliases=ALIASES, auth={"inbound": inbound}, silo=silo)


async def _attack(
    crowd: Crowd, who: str, victim: str, claim: str, method: str, uri: Parts, to: Parts, from_: Parts, contact: Parts,
    is_uri_domain: bool, is_to_own: bool, contact_kind: str, expires: str, credentials: str, learnt: str,
    gruu: str, more: str,
) -> None:  # fmt: skip
    attacker = crowd.people[who]
    request_uri = spelt(uri, victim)[0]
    if method == "REGISTER" and is_uri_domain:
        request_uri = f"{uri[0]}:{uri[2]}"
    to_value = spelt(to, who if is_to_own else victim)[1]
    from_value = spelt(from_, victim if claim == "victim" else who)[1]
    places = {
        "own": f"<{attacker.contact}>", "address": f"<{spelt(contact, victim)[0]}>", "star": "*", "none": "",
        "victim": f"<{crowd.people[victim].contact}>",
    }  # fmt: skip
    call_id, extra = "", ""
    if learnt and attacker.dialogs:
        dialog = attacker.dialogs[-1]
        extra = "\r\n".join(f"Route: {route}" for route in dialog.routes)
        call_id = dialog.call_id
        if learnt == "respelt":
            # The same peers in other spellings, with the tags of the dialog.
            from_value += _tag(dialog.local)
            to_value = dialog.remote if is_to_own else to_value + _tag(dialog.remote)
        if learnt == "dialog":
            to_value, from_value = dialog.remote, spelt(from_, victim if claim == "victim" else who)[1]
            if claim == "own":
                from_value = dialog.local
        if learnt in ("dialog", "respelt", "target"):
            request_uri = dialog.target
        if learnt in ("route", "target") and ";tag=" not in to_value:
            to_value += ";tag=x"
    known = crowd.gruus.get(victim) if gruu else None
    if known:
        request_uri = known if gruu == "uri" else request_uri
        to_value = f"<{known}>" if gruu == "to" else to_value
        from_value = f"<{known}>" if gruu == "from" else from_value
        places[contact_kind] = f"<{known}>" if gruu == "contact" else places[contact_kind]
    content_type, body = _body(crowd, method, victim, more)
    extra = "\r\n".join(filter(None, (extra, _more_of(crowd, method, victim, more))))
    asked = attacker.say(
        Words(
            method,
            request_uri,
            to_value,
            from_value,
            places[contact_kind],
            expires,
            extra,
            body,
            credentials,
            call_id,
            content_type=content_type,
        )
    )
    if method == "ACK":
        asked.give_up()


def _tag(value: str) -> str:
    return value[value.find(";tag=") :]


def _body(crowd: Crowd, method: str, victim: str, more: str) -> tuple[str, str]:
    """Content-Type and body."""
    if more == "imdn" and method == "MESSAGE":
        return "message/cpim", crowd.body_for(victim, len(crowd.promised))
    return "text/plain", "evil" if method in ("MESSAGE", "ACK", "INFO") else ""


def _more_of(crowd: Crowd, method: str, victim: str, more: str) -> str:
    """The extra header line; "" for lines of an INVITE refused by the agent's own parser."""
    if more == "imdn" or (method == "INVITE" and more[:1] in ("f", "p")):
        return ""
    return more.format(victim=victim, place=crowd.people[victim].address[0])


async def _text(crowd: Crowd, one: str) -> None:
    crowd.people[one].text(BOB if one != BOB else HONEST[0])


async def _call(crowd: Crowd, one: str, whom: str) -> None:
    person = crowd.people[one]
    person.call(crowd.people[whom].contact if whom == STRANGER else f"sip:{whom}@{DOMAIN}")
    await trio.sleep(1)


async def _call_together(
    crowd: Crowd, who: str, whom: str, victim: str, to: Parts, from_: Parts, claim: str
) -> None:
    uri = crowd.people[whom].contact if whom == STRANGER else f"sip:{whom}@{DOMAIN}"
    name = spelt(from_, victim)[1] if claim == "victim" else ""
    crowd.people[who].call(uri, spelt(to, victim)[1], name)
    await trio.sleep(1)


async def _answer(crowd: Crowd, who: str, victim: str, uri: Parts, manner: str) -> None:
    places = {
        "address": spelt(uri, victim)[0], "contact": crowd.people[victim].contact, "gruu": crowd.gruus.get(victim, ""),
    }  # fmt: skip
    crowd.people[who].manner = places.get(manner, manner)


async def _connect(crowd: Crowd, who: str, is_stream: bool) -> None:
    crowd.people[who].wire.is_stream = is_stream


async def _restart(crowd: Crowd) -> None:
    await crowd.world.restart()
    await trio.sleep(1)


async def _move(crowd: Crowd, one: str, comes: bool) -> None:
    crowd.people[one].register(3600 if comes else 0)
    (crowd.away.discard if comes else crowd.away.add)(one)
    await trio.sleep(1)
    crowd.check_bindings()


def test_nobody_gets_removes_or_sends_what_is_not_his() -> None:
    run_state_machine_as_test(
        Plan,
        settings=settings(
            max_examples=PLANS,
            stateful_step_count=STEPS,
            deadline=None,
            derandomize="MSILOD_ATTACKS" not in os.environ,
            # Shrinking takes minutes and is for the search after a failure.
            phases=tuple(Phase) if "MSILOD_SHRINK" in os.environ else (Phase.explicit, Phase.generate),
            suppress_health_check=list(HealthCheck),
        ),
    )
