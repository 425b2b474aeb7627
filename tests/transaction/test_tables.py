"""The tables compared with the figures of RFC 3261 §17 and RFC 6026, which are written here a second time.

Every difference is listed with its reason. A line without a reason fails.

"""

import pytest

from msilod.transaction.tables import ICT, IST, NICT, NIST, Action, Input, Machine, State
from msilod.transaction.timers import INTERVALS

# State, input, next state, action; in the words of the figures.
Figure = set[tuple[str, str, str, str]]

# RFC 6026 §8.4, in place of RFC 3261 figure 5.
INVITE_CLIENT: Figure = {
    ("Calling", "Timer A fires", "Calling", "INVITE sent"),
    ("Calling", "Timer B fires", "Terminated", "inform TU: timeout"),
    ("Calling", "Transport Err.", "Terminated", "inform TU: transport"),
    ("Calling", "1xx", "Proceeding", "1xx to TU"),
    ("Calling", "2xx", "Accepted", "2xx to TU"),
    ("Calling", "300-699", "Completed", "ACK sent, resp. to TU"),
    ("Proceeding", "1xx", "Proceeding", "1xx to TU"),
    ("Proceeding", "2xx", "Accepted", "2xx to TU"),
    ("Proceeding", "300-699", "Completed", "ACK sent, resp. to TU"),
    ("Completed", "300-699", "Completed", "ACK sent"),
    ("Completed", "Transport Err.", "Terminated", "inform TU: transport"),
    ("Completed", "Timer D fires", "Terminated", "-"),
    ("Accepted", "2xx", "Accepted", "2xx to TU"),
    ("Accepted", "Timer M fires", "Terminated", "-"),
}
# Figure 6.
NON_INVITE_CLIENT: Figure = {
    ("Trying", "Timer E", "Trying", "send request"),
    ("Trying", "Timer F", "Terminated", "inform TU: timeout"),
    ("Trying", "Transport Err.", "Terminated", "inform TU: transport"),
    ("Trying", "1xx", "Proceeding", "resp. to TU"),
    ("Trying", "200-699", "Completed", "resp. to TU"),
    ("Proceeding", "Timer E", "Proceeding", "send request"),
    ("Proceeding", "Timer F", "Terminated", "inform TU: timeout"),
    ("Proceeding", "Transport Err.", "Terminated", "inform TU: transport"),
    ("Proceeding", "1xx", "Proceeding", "resp. to TU"),
    ("Proceeding", "200-699", "Completed", "resp. to TU"),
    ("Completed", "Timer K", "Terminated", "-"),
}
# RFC 6026 §8.5, in place of RFC 3261 figure 7. Absorbed messages have no line in the tables of the layer.
INVITE_SERVER: Figure = {
    ("Proceeding", "INVITE", "Proceeding", "send response"),
    ("Proceeding", "1xx from TU", "Proceeding", "send response"),
    ("Proceeding", "2xx from TU", "Accepted", "send response"),
    ("Proceeding", "300-699 from TU", "Completed", "send response"),
    ("Proceeding", "Transport Err.", "Proceeding", "Inform TU"),
    ("Completed", "INVITE", "Completed", "send response"),
    ("Completed", "Timer G fires", "Completed", "send response"),
    ("Completed", "Timer H fires", "Terminated", "-"),
    ("Completed", "ACK", "Confirmed", "-"),
    ("Completed", "Transport Err.", "Completed", "Inform TU"),
    ("Confirmed", "Timer I fires", "Terminated", "-"),
    ("Accepted", "INVITE", "Accepted", "-"),
    ("Accepted", "ACK", "Accepted", "ACK to TU"),
    ("Accepted", "2xx from TU", "Accepted", "send response"),
    ("Accepted", "Transport Err.", "Accepted", "Inform TU"),
    ("Accepted", "Timer L fires", "Terminated", "-"),
}
# Figure 8.
NON_INVITE_SERVER: Figure = {
    ("Trying", "1xx from TU", "Proceeding", "send response"),
    ("Trying", "200-699 from TU", "Completed", "send response"),
    ("Proceeding", "Request", "Proceeding", "send response"),
    ("Proceeding", "1xx from TU", "Proceeding", "send response"),
    ("Proceeding", "200-699 from TU", "Completed", "send response"),
    ("Proceeding", "Transport Err.", "Terminated", "Inform TU"),
    ("Completed", "Request", "Completed", "send response"),
    ("Completed", "Transport Err.", "Terminated", "Inform TU"),
    ("Completed", "Timer J fires", "Terminated", "-"),
}

INPUTS = {
    "INVITE": Input.REQUEST,
    "Request": Input.REQUEST,
    "ACK": Input.ACK,
    "1xx": Input.PROVISIONAL,
    "2xx": Input.SUCCESS,
    "300-699": Input.FAILURE,
    "200-699": Input.FINAL,
    "Transport Err.": Input.TRANSPORT_ERROR,
}
ACTIONS = {
    "-": Action.NOTHING,
    "INVITE sent": Action.SEND_AGAIN,
    "send request": Action.SEND_AGAIN,
    "1xx to TU": Action.TELL_RESPONSE,
    "2xx to TU": Action.TELL_RESPONSE,
    "resp. to TU": Action.TELL_RESPONSE,
    "ACK sent, resp. to TU": Action.ACK_AND_TELL,
    "ACK sent": Action.ACK_AGAIN,
    "ACK to TU": Action.PASS_ACK,
    "inform TU: timeout": Action.TELL_TIMEOUT,
    "inform TU: transport": Action.TELL_TRANSPORT_ERROR,
    # The user of the layer has no callback for this; the operator has a counter.
    "Inform TU": Action.COUNT_ERROR,
}

Line = tuple[State, Input, State, Action]
S, I, A = State, Input, Action  # noqa: E741

# The lines only in the table, and the lines only in the figure.
ADDED: dict[str, set[Line]] = {
    "ICT": {
        (S.PROCEEDING, I.TRANSPORT_ERROR, S.TERMINATED, A.TELL_TRANSPORT_ERROR),
        (S.PROCEEDING, I.CANCEL_EXPIRED, S.TERMINATED, A.TELL_TIMEOUT),
        (S.COMPLETED, I.TRANSPORT_ERROR, S.TERMINATED, A.NOTHING),
    },
    "NICT": set(),
    "IST": set(),
    "NIST": {
        (S.TRYING, I.TRYING_DUE, S.PROCEEDING, A.SEND_TRYING),
        (S.TRYING, I.PEER_GAVE_UP, S.TERMINATED, A.NOTHING),
        (S.PROCEEDING, I.PEER_GAVE_UP, S.TERMINATED, A.NOTHING),
        (S.PROCEEDING, I.TRANSPORT_ERROR, S.PROCEEDING, A.COUNT_ERROR),
        (S.COMPLETED, I.TRANSPORT_ERROR, S.COMPLETED, A.COUNT_ERROR),
    },
}
LEFT_OUT: dict[str, set[Line]] = {
    "ICT": {(S.COMPLETED, I.TRANSPORT_ERROR, S.TERMINATED, A.TELL_TRANSPORT_ERROR)},
    "NICT": set(),
    # Absorbed messages are ignored.
    "IST": {(S.ACCEPTED, I.REQUEST, S.ACCEPTED, A.NOTHING)},
    "NIST": {
        (S.PROCEEDING, I.TRANSPORT_ERROR, S.TERMINATED, A.COUNT_ERROR),
        (S.COMPLETED, I.TRANSPORT_ERROR, S.TERMINATED, A.COUNT_ERROR),
    },
}
FIGURES = [
    (ICT, INVITE_CLIENT),
    (NICT, NON_INVITE_CLIENT),
    (IST, INVITE_SERVER),
    (NIST, NON_INVITE_SERVER),
]


def read(happened: str, machine: Machine) -> Input:
    if happened.startswith("Timer "):
        return Input[f"TIMER_{happened[6]}"]
    found = INPUTS[happened.removesuffix(" from TU")]
    return found


def action_of(does: str, happened: str) -> Action:
    if does == "send response":
        return Action.SEND if happened.endswith("from TU") else Action.SEND_AGAIN
    return ACTIONS[does]


def lines_of(figure: Figure, machine: Machine) -> set[Line]:
    return {
        (State[state.upper()], read(happened, machine), State[then.upper()], action_of(does, happened))
        for state, happened, then, does in figure
    }


@pytest.mark.parametrize(("machine", "figure"), FIGURES, ids=[repr(machine) for machine, _ in FIGURES])
def test_a_table_equals_its_figure_except_for_differences_with_a_reason(
    machine: Machine, figure: Figure
) -> None:
    ours = {(state, happened, *then) for (state, happened), then in machine.table.items()}
    theirs = lines_of(figure, machine)
    assert ours - theirs == ADDED[machine.name]
    assert theirs - ours == LEFT_OUT[machine.name]


@pytest.mark.parametrize("machine", [ICT, NICT, IST, NIST], ids=repr)
def test_every_state_is_reached_and_every_path_ends(machine: Machine) -> None:
    states = {machine.initial} | {then for then, _ in machine.table.values()}
    reached = {machine.initial}
    while True:
        more = {then for (state, _), (then, _) in machine.table.items() if state in reached} - reached
        if not more:
            break
        reached |= more
    assert reached == states
    assert State.TERMINATED in reached
    assert not [state for state, _ in machine.table if state is State.TERMINATED]


@pytest.mark.parametrize("machine", [ICT, NICT, IST, NIST], ids=repr)
def test_a_timer_is_started_in_states_that_use_the_timer_and_in_no_others(machine: Machine) -> None:
    started = {(state, timer) for state, timers in machine.timers.items() for timer in timers}
    heard = {(state, happened) for state, happened in machine.table if happened in INTERVALS}
    # The timer goes on into the next state, or an action of the user starts the timer.
    going_on = {
        (S.PROCEEDING, I.TIMER_E),
        (S.PROCEEDING, I.TIMER_F),
        (S.PROCEEDING, I.PEER_GAVE_UP),
        (S.PROCEEDING, I.CANCEL_EXPIRED),
    }
    assert started | (going_on & heard) == heard


def test_the_intervals_equal_table_4() -> None:
    t1, t2, t4 = 0.5, 4.0, 5.0
    assert {
        I.TIMER_A: (t1, None),
        I.TIMER_B: (64 * t1, 64 * t1),
        I.TIMER_D: (32.0, 0.0),
        I.TIMER_E: (t1, None),
        I.TIMER_F: (64 * t1, 64 * t1),
        I.TIMER_G: (t1, None),
        I.TIMER_H: (64 * t1, 64 * t1),
        I.TIMER_I: (t4, 0.0),
        I.TIMER_J: (64 * t1, 0.0),
        I.TIMER_K: (t4, 0.0),
        I.TIMER_L: (64 * t1, 64 * t1),
        I.TIMER_M: (64 * t1, 64 * t1),
        I.TRYING_DUE: (t1 + 2 * t1 + 4 * t1, None),
        I.PEER_GAVE_UP: (64 * t1, 64 * t1),
        I.CANCEL_EXPIRED: (64 * t1, 64 * t1),
    } == INTERVALS
    assert t1 + 2 * t1 + 4 * t1 < 2 * t2
