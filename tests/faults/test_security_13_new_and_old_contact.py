"""Security 13: of a new and an old contact of one flow in one REGISTER the new one stands, in any order."""

from pathlib import Path

import pytest
import trio

from tests.faults.registering import Registrations, contacts
from tests.network.world import World, play
from tests.registrar.wire import apply, register

FLOW = ';reg-id=1;+sip.instance="<urn:uuid:00000000-0000-0000-0000-0000a30f0000>"'
SUPPORTED = "Supported: outbound, path\r\n"
OLD, NEW = "<sip:carol@192.0.2.9:49377;ob>", "<sip:carol@192.0.2.9:54173;ob>"


@pytest.mark.parametrize("new_first", [True, False])
def test_the_new_contact_is_bound_and_takes_what_waits(tmp_path: Path, new_first: bool) -> None:
    async def story(world: World) -> None:
        carol, alice = world.phone("carol"), world.phone("alice")
        alice.switch_on()
        host, port = carol.address
        registrations = Registrations(carol)
        await registrations.send(f"Contact: <sip:carol@{host}:49377>{FLOW}\r\n{SUPPORTED}Expires: 300\r\n")
        carol.switch_off()
        alice.text("carol", name=b"waits")
        await trio.sleep(60)
        assert list(world.rows()) == [b"waits"]
        carol.switch_on()
        lines = [
            f"Contact: <{carol.contact}>{FLOW}\r\n",
            f"Contact: <sip:carol@{host}:49377>{FLOW};expires=0\r\n",
        ]
        said = "".join(lines if new_first else lines[::-1])
        answer = await registrations.send(f"{said}{SUPPORTED}Expires: 300\r\n")
        assert answer.status == 200
        assert contacts(answer) == [carol.contact]
        await trio.sleep(1)
        assert [request.body for request in carol.got] == [b"waits"]
        assert world.read("SELECT contact FROM silo_location") == [(f"sip:carol@{host}:{port}",)]

    play(tmp_path, story)


@pytest.mark.parametrize("new_first", [True, False])
@pytest.mark.parametrize("before", [OLD, NEW, None])
def test_whatever_was_bound_before_the_new_one_stands(new_first: bool, before: str | None) -> None:
    bound = apply(register(f"{before}{FLOW}", extra=SUPPORTED)).bindings if before else []
    values = [f"{NEW}{FLOW}", f"{OLD}{FLOW};expires=0"]
    registration = apply(register(*values[:: 1 if new_first else -1], cseq=2, extra=SUPPORTED), bound)
    assert [f"<{binding.contact}>" for binding in registration.bindings] == [NEW]
    left = {binding.key for binding in registration.removed} & {b.key for b in registration.bindings}
    assert not left, "the row of what stands is not removed"


def test_a_removal_of_another_flow_or_of_an_old_uri_without_one_counts() -> None:
    other = FLOW.replace("reg-id=1", "reg-id=2")
    both = apply(register(f"{OLD}{FLOW}", extra=SUPPORTED)).bindings
    both = apply(register(f"{OLD}{other}", cseq=2, extra=SUPPORTED), both).bindings
    left = apply(register(f"{NEW}{FLOW}", f"{OLD}{other};expires=0", cseq=3, extra=SUPPORTED), both).bindings
    assert [(f"<{binding.contact}>", binding.reg_id) for binding in left] == [(NEW, 1)]
    plain = apply(register(OLD)).bindings
    left = apply(register(f"{NEW}{FLOW}", f"{OLD};expires=0", cseq=2, extra=SUPPORTED), plain).bindings
    assert [f"<{binding.contact}>" for binding in left] == [NEW]


def test_a_removal_alone_removes_the_flow_whatever_uri_it_names() -> None:
    bound = apply(register(f"{NEW}{FLOW}", extra=SUPPORTED)).bindings
    assert apply(register(f"{OLD}{FLOW};expires=0", cseq=2, extra=SUPPORTED), bound).bindings == []
