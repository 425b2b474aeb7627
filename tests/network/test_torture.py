"""RFC 4475 and RFC 5118 on the whole daemon: the answers to each message, and to the same message as a MESSAGE.

Each message is sent as a datagram, on a stream in one piece and byte by byte, and twice in one segment. The daemon
serves the vectors' domains, no user is registered, and each message has a daemon of its own. tests/sip/test_torture.py
names the check behind each refusal, and the result of the framer.
"""

import os
import tomllib
from pathlib import Path
from typing import Final, NamedTuple

import pytest
import trio

from tests.network.ladder import Address
from tests.network.world import SERVER, World, play
from tests.sip.test_torture import LOST, RESPONSES, RFC4475, RFC5118, TWO_AND_LOST, WAITS

SHARED: Final = Path(os.environ.get("MSILOD_SHARED") or Path(__file__).parents[3] / "shared") / "vectors"
PHONE: Final[Address] = ("198.51.100.1", 5060)
DOMAINS: Final = ["example.com", "example.org", "example.net", "company.com", "[2001:db8::10]"]
pytestmark = pytest.mark.skipif(not SHARED.is_dir(), reason=f"no vectors at {SHARED}: set MSILOD_SHARED")


class Outcome(NamedTuple):
    """The status of a vector as written, and as a MESSAGE. `why`: the reason of an unexpected status."""

    status: int
    message: int = 202
    why: str = ""


NOTHING: Final = 0
ABSENT: Final = Outcome(404, why="a user of ours who is not registered")
KEPT_OUT: Final = Outcome(403, 403, "a host that is not ours, or a port of it that is not")
BAD: Final = Outcome(400, 400)
DROPPED: Final = Outcome(NOTHING, NOTHING)

OUTCOMES: Final = {
    "wsinv": KEPT_OUT, "intmeth": ABSENT, "esc01": ABSENT, "escnull": Outcome(200), "esc02": KEPT_OUT,
    "lwsdisp": ABSENT, "longreq": ABSENT, "dblreq": Outcome(200), "semiuri": ABSENT, "transports": ABSENT,
    "mpart01": Outcome(202), "unreason": DROPPED, "noreason": DROPPED,
    "badinv01": BAD, "clerr": BAD, "ncl": BAD, "scalar02": BAD, "scalarlg": DROPPED, "quotbal": BAD,
    "ltgtruri": Outcome(404, why="RFC 4475 §3.1.2.7 allows to remove the brackets"),
    "lwsruri": BAD, "lwsstart": BAD, "trws": BAD,
    "escruri": Outcome(404, why="headers in a Request-URI are tolerated, and never become headers"),
    "baddate": Outcome(404, why="a Date that is not GMT is no Date; nobody here needs one"),
    "regbadct": Outcome(400, 202, "Contact means nothing in a MESSAGE"),
    "badaspec": BAD, "baddn": BAD, "badvers": Outcome(505, 505), "mismatch01": BAD, "mismatch02": BAD,
    "bigcode": DROPPED,
    "badbranch": Outcome(404, why="an empty branch is matched as RFC 2543 did"),
    "insuf": BAD, "unkscm": Outcome(416, 416), "novelsc": Outcome(416, 416),
    "unksm2": Outcome(400, 404, "a To of a strange scheme names no AOR; no mailbox either"),
    "bext01": Outcome(420, 420), "invut": ABSENT, "regaut01": Outcome(200, why="there are no users"),
    "multi01": BAD, "mcl01": BAD, "bcast": DROPPED, "zeromf": Outcome(483, 483),
    "cparam01": Outcome(200), "cparam02": Outcome(200), "regescrt": Outcome(200),
    "sdp01": Outcome(404, why="Accept is the callee's business"), "inv2543": ABSENT,
    "ipv6-good": Outcome(200), "ipv6-bad": BAD, "port-ambiguous": KEPT_OUT, "port-unambiguous": KEPT_OUT,
    "via-received-param-with-delim": Outcome(405, 481, "a BYE to the server itself; a dialog that is not here"),
    "via-received-param-no-delim": Outcome(200, why="an OPTIONS to the server itself"),
    "ipv6-in-sdp": ABSENT, "mult-ip-in-header": KEPT_OUT, "mult-ip-in-sdp": ABSENT, "ipv4-mapped-ipv6": ABSENT,
    "ipv6-bug-abnf-3-colons": KEPT_OUT, "ipv6-correct-abnf-2-colons": KEPT_OUT,
}  # fmt: skip
REQUESTS: Final = [name for name in OUTCOMES if name not in RESPONSES]
STREAMS: Final = {name: row.stream for name, row in {**RFC4475, **RFC5118}.items()}


def vector(name: str) -> bytes:
    """A vector. The vectors of RFC 5118 get the line ends and lengths missing in the RFC's archive."""
    path = SHARED / "rfc4475" / f"{name}.dat"
    return (path if path.is_file() else SHARED / "rfc5118" / "wire" / f"{name}.dat").read_bytes()


def as_message(name: str) -> bytes:
    data = vector(name)
    return data.replace(data.partition(b" ")[0], b"MESSAGE")


def answers(folder: Path, data: bytes, step: int = 0) -> tuple[list[int], bool]:
    """(statuses of a new daemon's answers, True when the daemon closed the stream).

    `step` 0: send a datagram. Otherwise: send on a stream, in segments of `step` bytes.
    """
    heard: list[bytes] = []
    ended: list[bool] = []

    async def story(world: World) -> None:
        world.parts.myself.configure(DOMAINS)
        # The ledger checks messages between phones, and must ignore these.
        world.ledger.heard = lambda batch, at: None  # type: ignore[method-assign]
        world.ledger.left = lambda data, destination, at: heard.append(data)  # type: ignore[method-assign]
        if not step:
            world.wires.datagram(PHONE, SERVER, data)
        else:
            end = world.wires.connect(PHONE, SERVER)
            assert end is not None
            end.ended = lambda: ended.append(True)
            for at in range(0, len(data), step):
                end.send(data[at : at + step])
        await trio.sleep(0.4)

    folder.mkdir(exist_ok=True)
    play(folder, story)
    return [int(data.split(b" ")[1]) for data in heard if data.startswith(b"SIP/2.0 ")], bool(ended)


def expected(name: str, status: int) -> tuple[list[int], bool]:
    """The expected (statuses, closed) on a stream, by the result of the framer."""
    stream = STREAMS[name]
    if stream == WAITS:
        return [], False
    if stream == LOST:
        return [400], True
    # dblreq: the surplus is a second request, followed by bytes that are no request.
    return ([status, 404], True) if stream == TWO_AND_LOST else ([status] if status else [], False)


def test_every_vector_has_its_outcome_and_the_index_agrees() -> None:
    entries = [
        entry
        for folder in ("rfc4475", "rfc5118")
        for entry in tomllib.loads((SHARED / folder / "index.toml").read_text())["message"]
    ]
    assert [entry["name"] for entry in entries] == list(OUTCOMES)
    for entry in entries:
        status, why = OUTCOMES[entry["name"]].status, OUTCOMES[entry["name"]].why
        if entry["action"] == "drop":
            assert status == NOTHING
        elif entry["action"] == "reject" and entry["name"] != "ltgtruri":
            assert status in entry["status"], entry
        else:
            assert status in (*entry["status"], NOTHING, 200, 202, 403) or why, entry


@pytest.mark.parametrize("name", OUTCOMES)
def test_by_datagram(tmp_path: Path, name: str) -> None:
    status = OUTCOMES[name].status
    assert answers(tmp_path, vector(name)) == ([status] if status else [], False)


@pytest.mark.parametrize("step", [1, 65536])
@pytest.mark.parametrize("name", OUTCOMES)
def test_on_a_stream(tmp_path: Path, name: str, step: int) -> None:
    assert answers(tmp_path, vector(name), step) == expected(name, OUTCOMES[name].status)


@pytest.mark.parametrize("name", REQUESTS)
def test_as_a_message(tmp_path: Path, name: str) -> None:
    status = OUTCOMES[name].message
    assert answers(tmp_path / "udp", as_message(name)) == ([status], False)
    assert answers(tmp_path / "tcp", as_message(name), 65536) == expected(name, status)


@pytest.mark.parametrize(
    "name", [name for name in REQUESTS if STREAMS[name] not in (LOST, WAITS, TWO_AND_LOST)]
)
def test_two_in_one_segment(tmp_path: Path, name: str) -> None:
    status = OUTCOMES[name].status
    # No stream repeats a request (Timer J is zero there), so the second one is new; a REGISTER says the same again.
    assert answers(tmp_path, vector(name) * 2, 65536) == ([status, status], False)
