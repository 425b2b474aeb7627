"""Security 14: without `Supported: outbound` the 200 has neither Require: outbound nor Flow-Timer."""

from pathlib import Path

import pytest

from tests.faults.registering import Registrations, contacts
from tests.network.world import World, play

# As Snom phones register.
SNOM = ';line=v6Na7ko3>;reg-id=1;q=1.0;+sip.instance="<urn:uuid:76e44df3-6880-4e04-84c0-000000000001>";audio'


@pytest.mark.parametrize("supported", ["", "Supported: path, gruu\r\n"])
def test_outbound_is_not_applied_to_who_has_not_asked_for_it(tmp_path: Path, supported: str) -> None:
    async def story(world: World) -> None:
        erin = world.phone("erin")
        registrations = Registrations(erin)
        said = f"Contact: <{erin.contact}{SNOM}\r\n{supported}Expires: 3600\r\n"
        for _ in range(3):
            # A refresh in the same words goes a shorter way.
            answer = await registrations.send(said)
            assert answer.status == 200
            assert contacts(answer) == [f"{erin.contact};line=v6Na7ko3"]
            told = [name for name, _ in answer.headers.fields]
            assert b"require" not in told
            assert b"flow-timer" not in told
        moved = said.replace("line=v6Na7ko3", "line=other")
        assert contacts(await registrations.send(moved)) == [f"{erin.contact};line=other"], "still one flow"

    play(tmp_path, story)


def test_who_asks_for_outbound_hears_that_it_is_applied_and_no_more_when_he_does_not(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        erin = world.phone("erin")
        registrations = Registrations(erin)
        said = f"Contact: <{erin.contact}{SNOM}\r\nExpires: 3600\r\n"
        for _ in range(2):
            answer = await registrations.send(f"{said}Supported: path, Outbound\r\n")
            assert answer.headers.get(b"require") == b"outbound"
            assert answer.headers.get(b"flow-timer") == b"120"
        answer = await registrations.send(said)
        assert answer.headers.get(b"require") is None

    play(tmp_path, story)
