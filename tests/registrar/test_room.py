"""registrar/room.py: the contact that makes room for a new contact, and the refusal without a candidate (R9)."""

from collections.abc import Sequence

import pytest

from msilod.errors import RequestRefused
from msilod.registrar.binding import Binding
from msilod.registrar.room import MAX_RETRY, make_room
from msilod.sip.flow import Flow
from tests.registrar.wire import AOR, ENDPOINT, WALL


def bound(
    name: str,
    age: float,
    host: str = "192.0.2.9",
    instance: str = "",
    reg_id: int = 0,
    path: Sequence[str] = (),
) -> Binding:
    """A binding with an age of `age` seconds and a life of one hour."""
    at = WALL - age
    flow = Flow(ENDPOINT, host, 5060)
    return Binding(
        AOR, f"sip:{name}@{host}", "c", 1, at + 3600, at, flow=flow, instance=instance, reg_id=reg_id,
        path=tuple(path),
    )  # fmt: skip


def displaced(before: Sequence[Binding], made: Binding, limit: int = 0) -> list[str]:
    limit = limit or len(before)
    return [b.contact.partition("@")[0][4:] for b in make_room([*before, made], [made], limit, WALL)]


def test_no_contact_is_removed_while_there_is_room() -> None:
    assert displaced([bound("a", 9)], bound("b", 0), limit=2) == []


def test_the_oldest_contact_of_the_same_source_is_removed() -> None:
    before = [bound("new", 5), bound("old", 50), bound("elsewhere", 500, "192.0.2.10")]
    assert displaced(before, bound("made", 0)) == ["old"]


def test_the_oldest_of_the_same_instance_is_removed_before_one_of_the_same_source() -> None:
    before = [
        bound("neighbour", 500),
        bound("one", 50, "192.0.2.10", "<1>", 1),
        bound("two", 60, "192.0.2.11", "<1>", 2),
    ]
    assert displaced(before, bound("made", 0, instance="<1>", reg_id=3)) == ["two"]


def test_a_contact_with_a_later_contact_of_its_instance_is_removed_first() -> None:
    ten = [bound(f"x{age}", age, "192.0.2.10", "<1>") for age in range(10, 20)]
    assert displaced(ten, bound("made", 0, "192.0.2.77")) == ["x19"]
    assert displaced([ten[0], bound("y", 99, "192.0.2.10", "<2>")], bound("made", 0, instance="<1>")) == [
        "x10"
    ]


def test_flows_of_one_device_do_not_count_as_later_contacts() -> None:
    flows = [bound(f"f{reg_id}", reg_id, "192.0.2.10", "<1>", reg_id) for reg_id in (1, 2)]
    with pytest.raises(RequestRefused) as caught:
        make_room([*flows, made := bound("made", 0, "192.0.2.77", "<2>")], [made], 2, WALL)
    assert caught.value.status == 503


def test_behind_an_edge_the_source_is_contact_host_and_path() -> None:
    edge = ["<sip:edge.example.test;lr>"]

    def behind(name: str, age: float, host: str, path: Sequence[str] = edge) -> Binding:
        made = bound(name, age, host, path=path)
        made.flow = Flow(ENDPOINT, "192.0.2.1", 5060)
        return made

    before = [
        behind("other", 99, "10.0.0.7"),
        behind("mine", 50, "10.0.0.8"),
        behind("far", 98, "10.0.0.8", ["<sip:x>"]),
    ]
    assert displaced(before, behind("made", 0, "10.0.0.8")) == ["mine"]


@pytest.mark.parametrize(("left", "seconds"), [(0.2, 1), (20.0, 20), (3000.0, MAX_RETRY)])
def test_without_a_candidate_the_answer_is_503_until_the_first_binding_ends(
    left: float, seconds: int
) -> None:
    before = [bound("a", 3600 - left, "192.0.2.10"), bound("b", 1, "192.0.2.11")]
    with pytest.raises(RequestRefused) as caught:
        displaced(before, bound("made", 0))
    assert caught.value.status == 503
    assert caught.value.headers == ((b"Retry-After", b"%d" % seconds),)


def test_more_than_the_limit_in_one_register_is_403() -> None:
    made = [bound(name, 0) for name in "abc"]
    with pytest.raises(RequestRefused) as caught:
        make_room(made, made, 2, WALL)
    assert caught.value.status == 403
