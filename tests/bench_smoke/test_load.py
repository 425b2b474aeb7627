"""The load generator: its messages are SIP, and its accounts find the faults of a server.

The server here is a thread that misbehaves as configured. Nothing is timed.

"""

from collections.abc import Sequence
from hashlib import md5

import pytest
from sipmessage import Message, Request, Response

from msilod.sip.digest import parse_credentials
from tests.bench.load import agent, loads
from tests.bench.load.digest import DigestLoad
from tests.bench.load.job import DIGEST, NEW, SCENARIOS, Job, Outcome, Scenario, select, split
from tests.bench.load.ledger import Ledger
from tests.bench.load.loads import DeliverLoad, StoreLoad
from tests.bench.load.result import Run, ratios, rows
from tests.bench.load.tally import Tally, median, percentile
from tests.bench.load.wire import (
    LEAST_BODY,
    answer,
    filler,
    message_template,
    messages,
    register_template,
    registers,
    user_name,
)
from tests.bench_smoke.fake_server import Plan, serving

RUN = b"0100"
USERS = [user_name(7), user_name(8)]
SCENARIO = Scenario("deliver", "deliver", users=3, outstanding=2, each=4)
MESSAGES = list(messages(message_template(b"bench.test", 5070, RUN, 200), USERS, range(2)))


def parsed(datagram: bytes) -> Message:
    """The message as an independent parser reads the bytes."""
    return Message.parse(datagram)


def job(server: tuple[str, int], scenario: Scenario = SCENARIO) -> Job:
    """A small job against the server at an address."""
    users = range(scenario.users)
    return Job(scenario, server, b"bench.test", RUN, users, 2, seconds=0.05, warm_up=0.0, body=200)


def delivered(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> Outcome:
    """The result of the generator for a server that makes `plan` of each mailbox."""
    monkeypatch.setattr(loads, "SILENCE", 0.15)
    monkeypatch.setattr(loads, "LINGER", 0.0)
    with serving(plan) as server:
        load = DeliverLoad(job(server.address))
        load.prepare()
        load.measure()
        return load.finish()


def test_a_message_is_valid_sip_and_its_body_names_the_message() -> None:
    tail, datagram = MESSAGES[3]
    message = parsed(datagram)
    assert isinstance(message, Request)
    assert message.method == "MESSAGE"
    assert str(message.uri) == "sip:u00000008@bench.test"
    assert message.via[0].parameters["branch"] == "z9hG4bKmb0100m00000008.000001"
    assert message.cseq.method == "MESSAGE"
    assert message.content_length == len(message.body) == 200
    assert tail[1:] in message.body
    assert message.body.decode().startswith("mb1 0100 00000008.000001|Grüße")


def test_a_register_is_valid_sip_and_refreshes_keep_the_call_id() -> None:
    template = register_template(b"bench.test", 5070, RUN)
    first, second = (parsed(next(registers(template, USERS, number))[1]) for number in (1, 2))
    assert isinstance(first, Request)
    assert str(first.uri) == "sip:bench.test"
    assert str(first.contact[0].uri) == "sip:u00000007@127.0.0.1:5070"
    assert first.expires == 3600
    assert first.content_length == 0
    assert (first.call_id, first.cseq.sequence) == (second.call_id, second.cseq.sequence - 1)
    assert first.via[0].parameters["branch"] != second.via[0].parameters["branch"]


def test_no_two_requests_share_a_branch_or_a_length() -> None:
    assert len({tail for tail, _ in MESSAGES}) == len(MESSAGES) == 4
    assert len({len(datagram) for _, datagram in MESSAGES}) == 1


@pytest.mark.parametrize("size", range(LEAST_BODY, LEAST_BODY + 70))
def test_a_body_is_utf_8_of_exactly_the_given_size(size: int) -> None:
    body = next(messages(message_template(b"d", 1, RUN, size), USERS, (0,)))[1].partition(b"\r\n\r\n")[2]
    assert len(body) == size
    assert body.decode().isprintable()


def test_a_body_too_small_for_the_name_of_its_message_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 25 bytes"):
        message_template(b"d", 1, RUN, LEAST_BODY - 1)
    assert filler(0) == b""


def test_u3_the_answer_of_a_phone_is_valid_and_has_every_via() -> None:
    head = b"\r\n".join(MESSAGES[0][1].partition(b"\r\n\r\n")[0].split(b"\r\n")[1:])
    top = b"Via: SIP/2.0/UDP 127.0.0.1:5060;branch=z9hG4bKtop"
    response, via = answer(b"MESSAGE sip:u@h SIP/2.0\r\n" + top + b"\r\n" + head)
    message = parsed(response)
    assert isinstance(message, Response)
    assert message.code == 200
    assert [each.parameters["branch"] for each in message.via] == [
        "z9hG4bKtop",
        "z9hG4bKmb0100m00000007.000000",
    ]
    assert message.to_address.parameters["tag"] == "phone"
    assert via == top


def test_a_challenged_user_answers_with_a_new_nonce_count_each_time() -> None:
    load = DigestLoad(job(("127.0.0.1", 9), Scenario("register-digest", DIGEST, users=1, outstanding=1)))
    user, agent = load.users[0], load.caller
    via = b"Via: x;branch=z9hG4bKmb%br%b.000001\r\n" % (RUN, user)
    agent._answered(b'SIP/2.0 401 Unauthorized\r\n%bWWW-Authenticate: Digest nonce="abc"\r\n' % via)
    assert agent.nonces == {user: b"abc"}
    feed = load.proved(register_template(b"bench.test", agent.port, RUN), load.users)
    for number in (1, 2):
        tail, datagram = next(feed)
        message = parsed(datagram)
        assert message.cseq.sequence == number + 1
        assert b"branch=z9hG4bKmb" + RUN + tail in datagram
        shown = parse_credentials(datagram.partition(b"Authorization: ")[2].partition(b"\r\n")[0])
        assert shown is not None
        assert (shown.username, shown.nonce, shown.count) == (b"u" + user, b"abc", number)
        a1 = md5(b"u%b:bench.test:secret" % user).hexdigest()
        a2 = md5(b"REGISTER:sip:bench.test").hexdigest()
        assert shown.response == md5(f"{a1}:abc:{number:08x}:c0ffee:auth:{a2}".encode()).hexdigest().encode()
    agent.close()


def test_the_processor_time_of_two_servers_is_compared_beside_their_rates() -> None:
    runs = [_run("msilod", 200.0, 20.0), _run("before", 100.0, 25.0), _run("kamailio-1", 50.0, None)]
    assert ratios(rows(runs), "msilod") == [
        ("store-32", "before", 2.0, 0.8),
        ("store-32", "kamailio-1", 4.0, None),
    ]


def _run(server: str, rate: float, server_us: float | None) -> Run:
    return Run("store-32", server, rate, None, None, None, server_us, None, 1.0, 1.0, 0, {}, {})


def test_a_faultless_server_has_no_faults(monkeypatch: pytest.MonkeyPatch) -> None:
    outcome = delivered(list, monkeypatch)
    assert outcome.books.faults == {}
    assert (outcome.books.expected, outcome.books.arrived, len(outcome.served)) == (12, 12, 3)


def wrong_user(box: list[bytes]) -> list[bytes]:
    """Each message goes to the user of the first message, with digits that end in 0."""
    return [message[:20] + b"0" + message[21:] for message in box]


@pytest.mark.parametrize(
    ("plan", "faults"),
    [
        (lambda box: box[1:], {"missing": 3}),
        (lambda box: [*box, *box[:1]], {"doubled": 3}),
        (lambda box: [*box[:2], *box[:1:-1]], {"misordered": 3}),
        (
            lambda box: [*box[:3], *(m.replace("ö".encode(), b"oe") for m in box[3:])],
            {"damaged": 3, "missing": 3},
        ),
        (lambda box: [*box[:3], *(m[:-1] for m in box[3:])], {"damaged": 3, "missing": 3}),
        (wrong_user, {"damaged": 8, "missing": 8}),
        (lambda box: [*box, *(m.replace(b".000003|", b".000004|") for m in box[3:])], {"unasked": 3}),
    ],
    ids=["lost", "doubled", "misordered", "damaged", "cut", "misdirected", "invented"],
)
def test_each_fault_of_a_server_is_found(
    plan: Plan, faults: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert delivered(plan, monkeypatch).books.faults == faults


def test_a_retransmitted_delivery_is_not_counted_twice() -> None:
    ledger = Ledger(RUN, 200)
    datagram = MESSAGES[0][1]
    body_at = datagram.find(b"\r\n\r\n") + 4
    for via in (b"Via: a", b"Via: a", b"Via: b"):
        ledger.receive(datagram, body_at, via, 1.0)
    books = ledger.close([MESSAGES[0][0][1:]])
    assert (books.arrived, books.retransmitted, books.doubled) == (1, 1, 1)


def test_a_message_with_a_lost_answer_may_arrive() -> None:
    ledger = Ledger(RUN, 200)
    datagram = MESSAGES[0][1]
    ledger.receive(datagram, datagram.find(b"\r\n\r\n") + 4, b"Via: a", 1.0)
    assert ledger.close([], sent=[MESSAGES[0][0][1:]]).faults == {}


def test_a_lost_request_is_sent_again_and_timed_from_its_first_datagram(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(agent, "T1", 0.01)
    monkeypatch.setattr(loads, "LINGER", 0.0)
    with serving(list, deaf=2) as server:
        load = DeliverLoad(job(server.address))
        load.prepare()
        load.finish()
    assert load.filling.retransmissions >= 2
    assert max(load.filling.latencies) >= 0.01
    assert (load.filling.finals, load.filling.lost) == (12, 0)


def test_an_unanswered_request_is_counted_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agent, "TIMER_F", 0.05)
    monkeypatch.setattr(agent, "T1", 0.05)
    with serving(list, deaf=1_000_000) as server:
        load = StoreLoad(job(server.address, Scenario("store", "store", users=3, outstanding=2)))
        load.prepare()
        load.measure()
        tally = load.finish().tally
    assert (tally.finals, tally.lost) == (0, 2)
    assert sorted(tally.unanswered) == [b"00000000.000000", b"00000001.000000"]


def test_another_status_does_not_count_for_the_rate() -> None:
    tally = Tally(wanted=b"202", accepted=[])
    tally.answer(b"mkey", b"503", 0.0, 1.0)
    assert (tally.good, tally.refused, tally.accepted, list(tally.latencies)) == (0, {"503": 1}, [], [])


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [([], 0.5, None), ([1.0], 0.99, 1.0), ([1.0, 2.0], 0.5, 1.0), (list(range(1, 201)), 0.99, 198)],
)
def test_a_percentile_is_the_nearest_rank(
    values: Sequence[float], share: float, expected: float | None
) -> None:
    assert percentile(values, share) == expected


def test_the_median_of_runs_ignores_unknown_values() -> None:
    assert median([3.0, None, 1.0, 2.0]) == 2.0
    assert median([1.0, 2.0]) == 1.5
    assert median([None]) is None


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
@pytest.mark.parametrize("workers", [1, 3, 64])
def test_workers_share_all_users_and_open_transactions(scenario: Scenario, workers: int) -> None:
    whole = Job(
        scenario, ("127.0.0.1", 1), b"d", b"07", range(scenario.users), scenario.outstanding, 1.0, 0.0, 200
    )
    parts = split(whole, workers)
    assert 1 <= len(parts) <= workers
    assert sum(part.outstanding for part in parts) == scenario.outstanding
    assert all(part.outstanding and part.users for part in parts)
    assert len({part.run for part in parts}) == len(parts)
    if scenario.kind != NEW:
        assert [user for part in parts for user in part.users] == list(range(scenario.users))


def test_scenarios_are_selected_by_name_or_kind() -> None:
    assert [each.name for each in select(["store"])] == [
        "store-1", "store-32", "store-256", "store-32-users", "store-256-users", "store-tcp",
    ]  # fmt: skip
    assert [each.name for each in select(["deliver-1x1000"])] == ["deliver-1x1000"]
    assert not any(each.is_long for each in select([]))
    assert list(SCENARIOS) == select(["all"])
    with pytest.raises(ValueError, match="no scenario dump"):
        select(["store", "dump"])
