"""Security 16: a new contact above max_contacts replaces the oldest of the same instance or source, or gets 503."""

from pathlib import Path

import pytest
import structlog

from tests.faults.registering import Registrations, contacts
from tests.network.world import World, play


def rows(world: World) -> list[str]:
    return sorted(contact for (contact,) in world.read("SELECT contact FROM silo_location"))


@pytest.mark.parametrize("instance", ["", ';+sip.instance="<urn:uuid:1>"'])
def test_a_softphone_that_is_restarted_eleven_times_is_let_in(tmp_path: Path, instance: str) -> None:
    async def story(world: World) -> None:
        grace = world.phone("grace")
        uris = [f"sip:grace@{grace.address[0]}:{6000 + port};rinstance=x" for port in range(12)]
        for number, uri in enumerate(uris):
            registrations = Registrations(grace, f"start{number}")
            answer = await registrations.send(f"Contact: <{uri}>{instance}\r\nExpires: 3600\r\n")
            assert answer.status == 200
        assert sorted(contacts(answer)) == sorted(uris[2:])
        assert rows(world) == sorted(uris[2:])

    with structlog.testing.capture_logs():
        play(tmp_path, story)


def test_ten_contacts_of_one_instance_leave_room_for_another_device(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        grace, other = world.phone("grace"), world.phone("grace")
        for port in range(6000, 6010):
            said = f'Contact: <sip:grace@{grace.address[0]}:{port}>;+sip.instance="<urn:uuid:1>"\r\n'
            assert (await Registrations(grace, f"start{port}").send(said)).status == 200
        answer = await Registrations(other, "other").send(f"Contact: <{other.contact}>\r\n")
        assert answer.status == 200
        assert len(contacts(answer)) == 10
        assert other.contact in contacts(answer)
        assert f"sip:grace@{grace.address[0]}:6000" not in contacts(answer)

    play(tmp_path, story)


def test_where_no_contact_makes_room_the_phone_is_told_to_come_again(
    tmp_path: Path,
) -> None:
    async def story(world: World) -> None:
        phones = [world.phone("grace") for _ in range(11)]
        for phone in phones[:10]:
            said = f"Contact: <{phone.contact}>\r\nExpires: 3600\r\n"
            assert (await Registrations(phone, phone.address[0]).send(said)).status == 200
        registrations = Registrations(phones[10], "eleventh")
        with structlog.testing.capture_logs() as logs:
            for _ in range(3):
                answer = await registrations.send(f"Contact: <{phones[10].contact}>\r\nExpires: 3600\r\n")
                assert answer.status == 503
                assert int(answer.headers.get(b"retry-after") or b"0") > 0
        assert [(entry["log_level"], entry["aor"]) for entry in logs] == [
            ("warning", "grace@example.test")
        ], "one line"
        assert len(rows(world)) == 10
        await Registrations(phones[0], phones[0].address[0]).send(
            f"Contact: <{phones[0].contact}>;expires=0\r\n", cseq=9
        )
        answer = await registrations.send(f"Contact: <{phones[10].contact}>\r\nExpires: 3600\r\n")
        assert answer.status == 200

    play(tmp_path, story)
