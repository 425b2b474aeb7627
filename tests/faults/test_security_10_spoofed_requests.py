"""Security 10: 150 spoofed requests a second with a user's address turned a third of the user's challenges into 503."""

from pathlib import Path

import pytest

from msilod.auth.flood import MAX_PER_SECOND
from tests.faults.doorway import HOME, Doorway, with_auth
from tests.network.world import World, play


def test_a_user_is_challenged_however_many_requests_come_in_his_address(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        door = Doorway(world)
        for port in range(3 * MAX_PER_SECOND):
            door.say(door.request("REGISTER"), (HOME[0], 10_000 + port))
        assert door.register() == 200

    play(tmp_path, story, config=with_auth())


def test_beyond_the_limit_no_challenge_amplifies(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        door = Doorway(world)
        small = (
            "REGISTER sip:example.test SIP/2.0\r\nv:SIP/2.0/UDP c;branch=z9hG4bK{}\r\n"
            "f:<sip:alice@example.test>;tag=1\r\nt:<sip:alice@example.test>\r\ni:{}\r\nCSeq:1 REGISTER\r\nl:0\r\n\r\n"
        )
        statuses = []
        for number in range(2 * MAX_PER_SECOND):
            data = small.format(number, number).encode()
            (answer,) = door.say(data)
            statuses.append(answer.status)
            assert answer.status == 401 or len(answer.to_bytes()) <= 1.5 * len(data)
        assert statuses == [401] * MAX_PER_SECOND + [503] * MAX_PER_SECOND

    play(tmp_path, story, config=with_auth())


@pytest.mark.parametrize(
    "algorithms", [["SHA-256", "MD5"], ["MD5", "SHA-256"], ["SHA-512-256", "SHA-256", "MD5"]]
)
def test_the_one_challenge_that_is_left_is_md5_which_all_clients_know(
    tmp_path: Path, algorithms: list[str]
) -> None:
    async def story(world: World) -> None:
        door = Doorway(world)
        sizes = []
        for number in range(MAX_PER_SECOND + 5):
            # A new user each time: a client without credentials in two requests is offered MD5 alone (offers.py).
            (answer,) = door.say(
                door.request("REGISTER", user=f"u{number}", more="Subject: " + "x" * 300 + "\r\n")
            )
            assert answer.status == 401
            offered = answer.headers.get_all(b"www-authenticate")
            assert any(b"algorithm=MD5" in value for value in offered)
            sizes.append(len(offered))
        assert sizes == [len(algorithms)] * MAX_PER_SECOND + [1] * 5

    play(tmp_path, story, config=with_auth(algorithms=algorithms))


def test_without_md5_the_best_algorithm_is_left(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        door = Doorway(world)
        for _ in range(MAX_PER_SECOND + 1):
            (answer,) = door.say(door.request("REGISTER", more="Subject: " + "x" * 300 + "\r\n"))
        (value,) = answer.headers.get_all(b"www-authenticate")
        assert b"algorithm=SHA-512-256" in value

    play(tmp_path, story, config=with_auth(algorithms=["SHA-512-256", "SHA-256"]))
